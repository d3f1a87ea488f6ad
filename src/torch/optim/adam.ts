import * as torch from '../index.js';
import type { Tensor } from '../index.js';
import { alike, canFuse, describe, hasLayout, kindOf, layoutOf, scalarLayout } from './layout.js';
import type { Layout } from './layout.js';
import { checkStateOf, copyStateOf, refuseSettings } from './list-optimizer.js';
import { Optimizer, withoutUndefined } from './optimizer.js';
import type { Optimized, ParameterGroup, ParameterState } from './optimizer.js';

export interface AdamSettings {
  /** Learning rate. Default 1e-3. */
  lr: number;
  /** Decay of the means of the gradient and of its square. Default [0.9, 0.999]. */
  betas: readonly [number, number];
  /** Added to the denominator. Default 1e-8. */
  eps: number;
  /** Adam: L2 penalty, default 0. AdamW: share of the weights subtracted per unit of learning rate, default 0.01. */
  weightDecay: number;
  /** Divide by the largest second moment so far (Reddi et al., arXiv 1904.09237). Default false. */
  amsgrad: boolean;
  /** Maximise instead of minimising. Default false. */
  maximize: boolean;
  /**
   * One kernel for all parameters instead of several operators for each. Default null: fused if the parameters are
   * floating-point. The results differ by rounding only.
   */
  fused: boolean | null;
  /**
   * The kernel reads the learning rate from the device, so that a step recorded as a CUDA graph follows a schedule:
   * call {@link Adam.refreshLearningRates} before each replay. Applies to fused parameters. Default false.
   */
  capturable: boolean;
}

export type AdamOptions = Partial<AdamSettings>;

/** A group's learning rate on a device, float32 [], and the number it was last set to. */
interface Rate {
  group: ParameterGroup<AdamSettings>;
  tensor: Tensor;
  value: number;
}

/** The tensors that the kernel reads and writes for one parameter. */
interface Slot {
  parameter: Tensor;
  gradient: Tensor;
  state: AdamState;
}

/** Named as in PyTorch's state dicts. */
interface AdamState extends ParameterState {
  /** Steps taken: float32, shape []. */
  step: Tensor;
  exp_avg: Tensor;
  exp_avg_sq: Tensor;
}

/**
 * Adam (Kingma and Ba, arXiv 1412.6980), with weight decay added to the gradient.
 *
 * @example
 * ```ts
 * const model = new nn.Linear(8, 2);
 * const optimizer = new optim.Adam(model.parameters(), { lr: 3e-4, betas: [0.9, 0.99] });
 * model.forward(torch.randn([4, 8])).square().mean().backward();
 * optimizer.step();
 * ```
 */
export class Adam extends Optimizer<AdamSettings> {
  protected static readonly defaults: AdamSettings = {
    lr: 1e-3,
    betas: [0.9, 0.999],
    eps: 1e-8,
    weightDecay: 0,
    amsgrad: false,
    maximize: false,
    fused: null,
    capturable: false,
  };

  /**
   * 1 on the device skips steps of fused parameters, as if they had not been called, without waiting for the device; 0
   * takes them. Float32 [], which the caller keeps alive, as PyTorch's `found_inf`. Default null: steps are taken.
   */
  foundInf: Tensor | null = null;
  readonly #rates: Rate[] = [];

  constructor(params: Optimized<AdamSettings>, options: AdamOptions = {}) {
    super(params, { ...new.target.defaults, ...withoutUndefined(options) });
  }

  /** True if `foundInf` skips steps: the kernel updates every parameter. */
  get skipsOnDevice(): boolean {
    return this.paramGroups.every(
      ({ fused, params }) => fused !== false && params.every((parameter) => canFuse(layoutOf(parameter))),
    );
  }

  /** True if weight decay is applied to the weights directly (AdamW). */
  protected get decoupled(): boolean {
    return false;
  }

  protected override get torchSettings(): Readonly<Record<string, unknown>> {
    return { foreach: null, differentiable: false, decoupled_weight_decay: this.decoupled };
  }

  protected override checkSettings({ lr, betas, eps, weightDecay }: AdamSettings): void {
    refuseSettings(this, {
      [`lr ${lr} (must be at least 0)`]: lr >= 0,
      [`betas [${betas.join(', ')}] (two numbers, at least 0 and below 1)`]:
        betas.length === 2 && betas.every((beta) => beta >= 0 && beta < 1),
      [`eps ${eps} (must be at least 0)`]: eps >= 0,
      [`weightDecay ${weightDecay} (must be at least 0)`]: weightDecay >= 0,
    });
  }

  protected override stepGroup(group: ParameterGroup<AdamSettings>): void {
    const fusible = new Map<string, Slot[]>();
    const single: Slot[] = [];
    for (const parameter of group.params) {
      const gradient = parameter.grad;
      if (gradient === null) continue;
      const layout = layoutOf(parameter);
      const fused = group.fused !== false && canFuse(layout);
      if (group.fused === true && !fused) {
        throw new torch.ArgumentError(
          `fused Adam takes dense float tensors on cpu or cuda, not ${describe(parameter)}; omit the option fused`,
        );
      }
      const state = this.#stateOf(parameter, layout, group.amsgrad, fused);
      if (!fused) {
        single.push({ parameter, gradient, state });
        continue;
      }
      const kind = kindOf(layout);
      const slots = fusible.get(kind);
      const slot = { parameter, gradient: alike(gradient, parameter, layout), state };
      if (slots === undefined) fusible.set(kind, [slot]);
      else slots.push(slot);
    }
    for (const slots of fusible.values()) this.#stepFused(slots, group);
    for (const slot of single) {
      torch.scope(() => {
        this.#stepSingle(slot, group);
      });
    }
  }

  #stateOf(parameter: Tensor, layout: Layout, amsgrad: boolean, fused: boolean): AdamState {
    let state = this.state.get(parameter) as AdamState | undefined;
    if (state === undefined) {
      state = torch.keep({
        // On the CPU unless the kernel reads it: the other path needs its value and would wait for the device.
        step: torch.zeros([], { dtype: 'float32', device: fused ? parameter.device : 'cpu' }),
        exp_avg: parameter.zerosLike(),
        exp_avg_sq: parameter.zerosLike(),
      });
      this.state.set(parameter, state);
    }
    if (!state.step || !state.exp_avg || !state.exp_avg_sq)
      this.checkState(parameter, state, 'state of a parameter');
    if (amsgrad && state['max_exp_avg_sq'] === undefined) {
      state['max_exp_avg_sq'] = torch.keep(state.exp_avg_sq.clone());
    }
    for (const name in state) {
      const tensor = state[name] as Tensor;
      const fits =
        name === 'step' ? !fused || hasLayout(tensor, scalarLayout(layout)) : hasLayout(tensor, layout);
      if (fits) continue;
      this.checkState(parameter, state, 'state of a parameter');
      // After module.to(…) the state is moved to where its parameter is.
      const home =
        name === 'step'
          ? torch.zeros([], { dtype: 'float32', device: parameter.device })
          : parameter.emptyLike();
      tensor.data = home.copy_(tensor);
    }
    return state;
  }

  /**
   * Copies the groups' current `lr` to where the kernels of a `capturable` optimizer read it. Does not wait for the
   * device.
   */
  refreshLearningRates(): void {
    for (const rate of this.#rates) {
      if (rate.value === rate.group.lr) continue;
      rate.value = rate.group.lr;
      torch.noGrad(() => rate.tensor.fill_(rate.value));
    }
  }

  #rateOn(device: torch.Device, group: ParameterGroup<AdamSettings>): Tensor {
    this.refreshLearningRates();
    let rate = this.#rates.find((held) => held.group === group && held.tensor.device === device);
    if (rate === undefined) {
      const tensor = torch.keep(torch.full([], group.lr, { dtype: 'float32', device }));
      this.#rates.push((rate = { group, tensor, value: group.lr }));
    }
    return rate.tensor;
  }

  #stepFused(slots: readonly Slot[], group: ParameterGroup<AdamSettings>): void {
    const lr = group.capturable ? this.#rateOn(slots[0]!.parameter.device, group) : group.lr;
    const steps = slots.map(({ state }) => state.step);
    torch.callOperator('aten::_foreach_add_', 'Scalar', [steps, 1]);
    torch.callOperator(
      this.decoupled ? 'aten::_fused_adamw_' : 'aten::_fused_adam_',
      group.capturable ? 'tensor_lr' : '',
      [
        slots.map(({ parameter }) => parameter),
        slots.map(({ gradient }) => gradient),
        slots.map(({ state }) => state.exp_avg),
        slots.map(({ state }) => state.exp_avg_sq),
        group.amsgrad ? slots.map(({ state }) => state['max_exp_avg_sq'] as Tensor) : [],
        steps,
      ],
      {
        lr,
        beta1: group.betas[0],
        beta2: group.betas[1],
        weight_decay: group.weightDecay,
        eps: group.eps,
        amsgrad: group.amsgrad,
        maximize: group.maximize,
        ...(this.foundInf && { found_inf: this.foundInf }),
      },
    );
    if (this.foundInf === null) return;
    torch.callOperator('aten::_foreach_sub_', 'List', [steps, steps.map(() => this.foundInf)]);
  }

  #stepSingle({ parameter, gradient, state }: Slot, group: ParameterGroup<AdamSettings>): void {
    const [beta1, beta2] = group.betas;
    state.step.add_(1);
    const step = state.step.item();
    let slope = group.maximize ? gradient.neg() : gradient;
    if (group.weightDecay !== 0) {
      if (this.decoupled) parameter.mul_(1 - group.lr * group.weightDecay);
      else slope = slope.add(parameter, { alpha: group.weightDecay });
    }
    state.exp_avg.lerp_(slope, 1 - beta1);
    state.exp_avg_sq.mul_(beta2).addcmul_(slope, slope, { value: 1 - beta2 });
    const largest = state['max_exp_avg_sq'];
    if (group.amsgrad && largest !== undefined) largest.copy_(torch.maximum(largest, state.exp_avg_sq));
    const second = group.amsgrad && largest !== undefined ? largest : state.exp_avg_sq;
    const denominator = second
      .sqrt()
      .div_(Math.sqrt(1 - beta2 ** step))
      .add_(group.eps);
    parameter.addcdiv_(state.exp_avg, denominator, { value: -group.lr / (1 - beta1 ** step) });
  }

  protected override checkState(parameter: Tensor, state: ParameterState, name: string): void {
    checkStateOf(parameter, state, name, ['step', 'exp_avg', 'exp_avg_sq'], ['step']);
  }

  protected override copyState(parameter: Tensor, state: ParameterState): ParameterState {
    const device = canFuse(layoutOf(parameter)) ? parameter.device : 'cpu';
    return copyStateOf(parameter, state, ['step'], device);
  }
}

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101).
 *
 * @example
 * ```ts
 * const model = new nn.Linear(8, 2);
 * const optimizer = new optim.AdamW([
 *   { params: [model.weight], weightDecay: 0.1 },
 *   { params: [model.bias!], weightDecay: 0 },
 * ]);
 * ```
 */
export class AdamW extends Adam {
  protected static override readonly defaults: AdamSettings = { ...Adam.defaults, weightDecay: 1e-2 };

  protected override get decoupled(): boolean {
    return true;
  }
}
