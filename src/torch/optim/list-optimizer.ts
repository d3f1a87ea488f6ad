import { sameShape } from '../core/layout.js';
import * as torch from '../index.js';
import type { Tensor } from '../index.js';
import * as foreach from './foreach.js';
import { alike, canFuse, checkShape, hasKindAndShape, hasLayout, kindOf, layoutOf } from './layout.js';
import type { Layout } from './layout.js';
import { Optimizer, withoutUndefined } from './optimizer.js';
import type { Optimized, ParameterGroup, ParameterState } from './optimizer.js';

/** Parameters of one dtype and device that are updated together, with gradients and states of their shapes. */
export class Batch {
  readonly parameters: Tensor[] = [];
  /** The original parameters; `parameters` has views of complex ones. */
  readonly owners: Tensor[] = [];
  readonly gradients: Tensor[] = [];
  readonly states: ParameterState[] = [];
  /** True if the kernels that process memory as flat arrays may be used. */
  readonly fused: boolean;

  constructor(fused: boolean) {
    this.fused = fused;
  }

  /** Returns one state tensor of every parameter; complex ones as pairs of real numbers. */
  column(name: string): Tensor[] {
    return this.states.map((state) => real(state[name] as Tensor));
  }

  /** Returns the gradients with an L2 penalty's added. */
  decayed(weightDecay: number): Tensor[] {
    return weightDecay === 0 ? this.gradients : foreach.add(this.gradients, this.parameters, weightDecay);
  }

  /** Counts a step for every parameter; returns the numbers of steps taken. */
  countSteps(): number[] {
    return this.states.map((state) => (state['step'] as Tensor).add_(1).item());
  }
}

/** Returns complex numbers as pairs of real ones, on the same memory. */
function real(tensor: Tensor): Tensor {
  return tensor.dtype.startsWith('complex') ? tensor.viewAsReal() : tensor;
}

/**
 * Base class of optimizers that update lists of parameters at once. The kernels for lists do not check their arguments,
 * so shapes, dtypes and devices are checked here before every call.
 */
export abstract class ListOptimizer<Options extends { maximize: boolean }> extends Optimizer<Options> {
  /** The settings of groups that do not specify them. */
  protected static readonly defaults: object;

  /** @param options settings that replace the defaults; undefined ones are ignored */
  constructor(params: Optimized<Options>, options: Partial<Options> = {}) {
    super(params, { ...(new.target.defaults as Options), ...withoutUndefined(options) });
  }

  /** The names of the state tensors of the parameter's shape. */
  protected readonly shapedStates: readonly string[] = [];

  /** Returns those of them that a group with these settings needs. */
  protected stateNames(_settings: Options): readonly string[] {
    return this.shapedStates;
  }

  /**
   * Returns the state tensors with one element and their initial values: float32, on the CPU unless the parameter is
   * fused.
   */
  protected readonly scalarStates: Readonly<Record<string, number>> = { step: 0 };

  /** Returns the initial value of a state tensor. */
  protected firstValue(name: string, _settings: Options): number {
    return this.scalarStates[name] ?? 0;
  }

  protected override get torchSettings(): Readonly<Record<string, unknown>> {
    return { foreach: null, capturable: false, differentiable: false };
  }

  protected override checkSettings(settings: Options): void {
    refuseSettings(this, { ...commonChecks(settings), ...this.ownChecks(settings) });
  }

  /** Returns, for each problem that only this optimizer's settings can have, whether it is absent. */
  protected ownChecks(_settings: Options): Record<string, boolean> {
    return {};
  }

  /** Updates the parameters of a batch; its gradients point downhill. */
  protected abstract update(batch: Batch, group: ParameterGroup<Options>): void;

  /** True if parameters of such a layout use a fused kernel. */
  protected fuses(_layout: Layout): boolean {
    return false;
  }

  /** Returns a kind that separates parameters of one dtype and device that must not be in one batch. */
  protected kind(_parameter: Tensor): string {
    return '';
  }

  protected override stepGroup(group: ParameterGroup<Options>): void {
    const batches = new Map<string, Batch>();
    for (const parameter of group.params) {
      const gradient = parameter.grad;
      if (gradient === null) continue;
      const layout = layoutOf(parameter);
      const fused = canFuse(layout) && this.fuses(layout);
      const kind = `${kindOf(layout)} ${fused} ${this.kind(parameter)}`;
      let batch = batches.get(kind);
      if (batch === undefined) batches.set(kind, (batch = new Batch(fused)));
      if (!fused) checkShape(gradient, parameter);
      batch.states.push(this.stateOf(parameter, layout, group));
      batch.owners.push(parameter);
      batch.parameters.push(real(parameter));
      batch.gradients.push(real(fused ? alike(gradient, parameter, layout) : gradient));
    }
    for (const batch of batches.values()) {
      torch.scope(() => {
        if (group.maximize && !batch.fused) {
          const uphill = torch.callOperator('aten::_foreach_neg', '', [batch.gradients]) as Tensor[];
          batch.gradients.splice(0, uphill.length, ...uphill);
        }
        this.update(batch, group);
      });
    }
  }

  /** Returns a parameter's state, created or completed if missing, and moved to where the parameter is now. */
  protected stateOf(parameter: Tensor, layout: Layout, settings: Options): ParameterState {
    let state = this.state.get(parameter);
    if (state === undefined) this.state.set(parameter, (state = {}));
    const fused = canFuse(layout) && this.fuses(layout);
    for (const name of Object.keys(this.scalarStates)) {
      const device = fused ? parameter.device : 'cpu';
      const first = this.firstValue(name, settings);
      state[name] ??= torch.keep(torch.full([], first, { dtype: 'float32', device }));
      const scalar = state[name];
      if (!(scalar instanceof torch.Tensor))
        throw new torch.ArgumentError(`the state '${name}' is not a tensor: ${torch.describe(scalar)}`);
      if (scalar.device !== device) scalar.data = scalar.to(device);
      if (scalar.ndim !== 0) this.checkState(parameter, state, 'state of a parameter');
    }
    for (const name of this.stateNames(settings)) {
      state[name] ??= torch.keep(parameter.zerosLike().fill_(this.firstValue(name, settings)));
    }
    for (const [name, tensor] of Object.entries(state)) {
      if (name in this.scalarStates) continue;
      if (fused ? hasLayout(tensor, layout) : hasKindAndShape(tensor, layout)) continue;
      this.checkState(parameter, state, 'state of a parameter');
      // After module.to(…) the state is moved to where its parameter is.
      tensor.data = parameter.emptyLike().copy_(tensor);
    }
    return state;
  }

  protected override checkState(parameter: Tensor, state: ParameterState, name: string): void {
    checkStateOf(parameter, state, name, this.requiredState(), Object.keys(this.scalarStates));
  }

  /** Returns the names of the state tensors that a saved state of this optimizer must have. */
  protected requiredState(): readonly string[] {
    return Object.keys(this.scalarStates);
  }

  protected override copyState(parameter: Tensor, state: ParameterState): ParameterState {
    return copyStateOf(parameter, state, Object.keys(this.scalarStates), 'cpu');
  }
}

/** Copies a state: tensors named in `scalars` as float32 without dimensions, all others in the parameter's form. */
export function copyStateOf(
  parameter: Tensor,
  state: ParameterState,
  scalars: readonly string[],
  device: torch.Device,
): ParameterState {
  const entries = Object.entries(state).map(([key, tensor]) => {
    const scalar = scalars.includes(key);
    const copy = scalar ? torch.zeros([], { dtype: 'float32', device }) : parameter.zerosLike();
    return [key, copy.copy_(tensor)];
  });
  return Object.fromEntries(entries) as ParameterState;
}

/**
 * Throws unless a state has the required tensors, those named in `scalars` without dimensions and all others of the
 * parameter's shape: the kernels read past the end of tensors that do not match.
 */
export function checkStateOf(
  parameter: Tensor,
  state: ParameterState,
  name: string,
  required: readonly string[],
  scalars: readonly string[],
): void {
  const missing = required.find((key) => state[key] === undefined);
  if (missing !== undefined)
    throw new torch.ArgumentError(`${name} has no '${missing}'; does it belong to a different optimizer?`);
  for (const [key, { shape }] of Object.entries(state)) {
    const expected = scalars.includes(key) ? [] : parameter.shape;
    if (sameShape(shape, expected)) continue;
    throw new torch.ShapeError(
      `${name}: '${key}' has shape [${shape.join(', ')}], expected [${expected.join(', ')}]`,
    );
  }
}

/** Throws an error that names every setting out of range. */
export function refuseSettings(optimizer: object, checks: Readonly<Record<string, boolean>>): void {
  const bad = Object.entries(checks).filter(([, fits]) => !fits);
  if (bad.length === 0) return;
  throw new torch.ArgumentError(
    `${optimizer.constructor.name}: bad ${bad.map(([problem]) => problem).join(', ')}`,
  );
}

/** The checks of settings that several optimizers share. */
function commonChecks(settings: {
  maximize: boolean;
  lr?: number;
  weightDecay?: number;
  eps?: number;
  betas?: readonly number[];
  momentum?: number;
}): Record<string, boolean> {
  const { lr = 0, weightDecay = 0, eps = 0, betas = [0, 0], momentum = 0 } = settings;
  return {
    [`lr ${lr} (must be at least 0)`]: lr >= 0,
    [`weightDecay ${weightDecay} (must be at least 0)`]: weightDecay >= 0,
    [`eps ${eps} (must be at least 0)`]: eps >= 0,
    [`momentum ${momentum} (must be at least 0)`]: momentum >= 0,
    [`betas [${betas.join(', ')}] (two numbers, at least 0 and below 1)`]:
      betas.length === 2 && betas.every((beta) => beta >= 0 && beta < 1),
  };
}
