import { InThread } from '../core/in-thread.js';
import { snakeCase } from '../core/schema.js';
import { naming } from '../core/translated.js';
import * as torch from '../index.js';
import type { Tensor } from '../index.js';

/** State of one parameter, under PyTorch's names. */
export type ParameterState = Record<string, Tensor>;

/** Settings of a group under PyTorch's names, and the positions of its parameters over all groups. */
export type SavedGroup = { params: number[] } & Record<string, unknown>;

/** The contents of torch.optim's `state_dict()`. Saved with `savePytorch`, it can be loaded by PyTorch's optimizers. */
export interface OptimizerState {
  state: Record<number, ParameterState>;
  param_groups: SavedGroup[];
}

export type GroupOf<Options> = { params: Iterable<Tensor> } & Partial<Options>;
/** The parameters to optimize: tensors, or groups of them with settings of their own. */
export type Optimized<Options> = Iterable<Tensor> | Iterable<GroupOf<Options>>;
export type ParameterGroup<Options> = { params: Tensor[] } & Options;

/**
 * Base class of optimizers: parameter groups with their own settings, and per-parameter state that is kept alive
 * outside scopes.
 *
 * @example
 * ```ts
 * const model = new nn.Linear(8, 2);
 * const optimizer = new optim.AdamW(model.parameters(), { lr: 1e-3 });
 * for (let step = 0; step < 10; step++) {
 *   torch.scope(() => {
 *     const loss = model.forward(torch.randn([4, 8])).square().mean();
 *     optimizer.zeroGrad();
 *     loss.backward();
 *     optimizer.step();
 *   });
 * }
 * ```
 */
export abstract class Optimizer<Options extends object> extends InThread {
  /** Settings may be changed between steps: `optimizer.paramGroups[0].lr = 1e-5`. */
  readonly paramGroups: ParameterGroup<Options>[] = [];
  /** State by parameter; empty until its first step. */
  readonly state = new Map<Tensor, ParameterState>();
  readonly #defaults: Options;

  /**
   * @param params parameters, or groups `{ params, …settings }`
   * @param defaults settings that a group does not specify
   */
  constructor(params: Optimized<Options>, defaults: Options) {
    super('an optimizer', 'save its stateDict() with savePytorch');
    this.#defaults = defaults;
    naming(`optim.${this.constructor.name}`, () => this.#addAll(params));
  }

  #addAll(params: Optimized<Options>): void {
    const given = [...(params as Iterable<Tensor | GroupOf<Options>>)];
    if (given.length === 0)
      throw new torch.ArgumentError('an optimizer needs at least one parameter or group');
    if (given.every((item) => item instanceof torch.Tensor)) {
      this.addParamGroup(Object.assign({} as Partial<Options>, { params: given }));
    } else {
      for (const group of given) this.addParamGroup(group as GroupOf<Options>);
    }
  }

  /** Adds parameters with their own settings. */
  addParamGroup(group: GroupOf<Options>): void {
    const { params, ...settings } = group;
    if (params === undefined) throw new torch.ArgumentError('a parameter group is { params, …settings }');
    const tensors = [...params];
    const taken = new Set(this.paramGroups.flatMap((other) => other.params));
    for (const tensor of tensors) {
      if (!(tensor instanceof torch.Tensor))
        throw new torch.ArgumentError('optimizers take tensors (module.parameters())');
      if (!tensor.isLeaf)
        throw new torch.ArgumentError('optimizers take leaf tensors, not results of operators');
      if (taken.has(tensor))
        throw new torch.ArgumentError('a parameter appears twice in the parameter groups');
      taken.add(tensor);
    }
    const complete = { ...this.#defaults, ...withoutUndefined(settings) } as Options;
    this.checkSettings(complete);
    this.paramGroups.push({ params: tensors, ...complete });
  }

  /** Throws if a setting is out of range. */
  protected abstract checkSettings(settings: Options): void;

  /** Updates a group's parameters, in a scope and without gradients. */
  protected abstract stepGroup(group: ParameterGroup<Options>): void;

  /** Updates every parameter that has a gradient. Does not wait for the device. */
  step(): void {
    const update = () => {
      for (const group of this.paramGroups) {
        checkParameters(group.params);
        torch.scope(() => {
          this.stepGroup(group);
        });
      }
    };
    naming(`optim.${this.constructor.name}.step`, () => torch.noGrad(update));
  }

  /** Drops all gradients. */
  zeroGrad(): void {
    for (const { params } of this.paramGroups) {
      checkParameters(params);
      for (const parameter of params) parameter.grad = null;
    }
  }

  /**
   * Frees the state. The optimizer starts from scratch if it is used again; otherwise the garbage collector frees the
   * state.
   */
  dispose(): void {
    torch.dispose([...this.state.values()]);
    this.state.clear();
  }

  /** Returns state and settings in the structure of torch.optim; the tensors are the optimizer's own, not copies. */
  stateDict(): OptimizerState {
    const all = this.paramGroups.flatMap((group) => group.params);
    const state: Record<number, ParameterState> = {};
    all.forEach((parameter, i) => {
      const entry = this.state.get(parameter);
      if (entry !== undefined && Object.keys(entry).length > 0) state[i] = { ...entry };
    });
    let next = 0;
    const groups = this.paramGroups.map(({ params, ...settings }) => {
      const saved = Object.entries(settings).map(([name, value]) => [snakeCase(name), value]);
      const group = { ...this.torchSettings, ...Object.fromEntries(saved), params: params.map(() => next++) };
      return group as SavedGroup;
    });
    return { state, param_groups: groups };
  }

  /** Entries of PyTorch's groups that have no meaning here; without them PyTorch would find its groups incomplete. */
  protected get torchSettings(): Readonly<Record<string, unknown>> {
    return { foreach: null, differentiable: false };
  }

  /**
   * Loads settings and a copy of the state, cast to each parameter's dtype and device.
   *
   * @throws ArgumentError or ShapeError if groups, their sizes or a state's shape differ; nothing is loaded then
   */
  loadStateDict(saved: OptimizerState): void {
    naming(`optim.${this.constructor.name}.loadStateDict`, () => this.#load(saved));
  }

  #load(saved: OptimizerState): void {
    const groups = saved.param_groups;
    const sizes = groups.map((group) => group.params.length);
    const expected = this.paramGroups.map((group) => group.params.length);
    if (sizes.length !== expected.length || sizes.some((size, i) => size !== expected[i])) {
      throw new torch.ArgumentError(
        `the saved optimizer has groups of [${sizes.join(', ')}] parameters, but this one has groups of [${expected.join(', ')}]`,
      );
    }
    const settings = groups.map((group, i) =>
      this.#readSettings(group, this.paramGroups[i] as ParameterGroup<Options>),
    );
    const owners = new Map(
      groups.flatMap((group, i) =>
        group.params.map((id, j): [number, Tensor] => [id, this.paramGroups[i]?.params[j] as Tensor]),
      ),
    );
    const entries = Object.entries(saved.state).map(([id, given]): [Tensor, ParameterState] => {
      const parameter = owners.get(Number(id));
      if (parameter === undefined)
        throw new torch.ArgumentError(`the saved state has parameter ${id}, which is not in any group`);
      const entry = tensorsOf(given);
      this.checkState(parameter, entry, `state ${id}`);
      return [parameter, entry];
    });
    this.state.clear();
    torch.noGrad(() => {
      for (const [parameter, entry] of entries) {
        this.state.set(
          parameter,
          torch.scope(() => torch.keep(this.copyState(parameter, entry))),
        );
      }
    });
    settings.forEach((values, i) => Object.assign(this.paramGroups[i] as object, values));
  }

  /**
   * Returns the settings of a saved group that this optimizer knows; others (`foreach`, `capturable`, …) affect only
   * PyTorch.
   */
  #readSettings(saved: SavedGroup, group: ParameterGroup<Options>): Options {
    const names = new Set([...Object.keys(group), ...scheduleSettings]);
    const known = [...names].filter((name) => name !== 'params' && saved[snakeCase(name)] != null);
    const read = known.map((name) => {
      const value = saved[snakeCase(name)];
      // PyTorch's learning rate may be a tensor.
      return [name, value instanceof torch.Tensor ? value.item() : value];
    });
    const settings: Options = { ...group, ...(Object.fromEntries(read) as Partial<Options>) };
    Reflect.deleteProperty(settings, 'params');
    this.checkSettings(settings);
    return settings;
  }

  /** Throws if a saved state does not belong to `parameter`. */
  protected abstract checkState(parameter: Tensor, state: ParameterState, name: string): void;

  /** Returns a copy of a saved state in this optimizer's form. */
  protected abstract copyState(parameter: Tensor, state: ParameterState): ParameterState;
}

// Settings that schedulers store in a group.
const scheduleSettings = ['initialLr', 'maxLr', 'minLr', 'maxMomentum', 'baseMomentum'];

/** Removes Python's None values, and turns numbers (the steps of older versions) into tensors. */
function tensorsOf(state: Readonly<Record<string, unknown>>): ParameterState {
  const entries = Object.entries(state).filter(([, value]) => value !== null);
  return Object.fromEntries(
    entries.map(([name, value]) => {
      if (typeof value === 'number') return [name, torch.tensor(value, { dtype: 'float32' })];
      if (value instanceof torch.Tensor) return [name, value];
      throw new torch.ArgumentError(`the saved '${name}' is not a tensor: ${torch.describe(value)}`);
    }),
  );
}

/** Returns the options without undefined ones, which must not hide defaults. */
export function withoutUndefined<T extends object>(options: T): T {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T;
}

/** Checked at each step, because a group may have been changed since it was added. */
function checkParameters(params: readonly unknown[]): void {
  for (const parameter of params) {
    if (parameter instanceof torch.Tensor) continue;
    throw new torch.ArgumentError(
      `a parameter group contains ${torch.describe(parameter)} instead of a tensor`,
    );
  }
}
