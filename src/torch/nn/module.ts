import { InThread } from '../core/in-thread.js';
import { acrossCopies } from '../core/across-copies.js';
import * as torch from '../index.js';
import type { HookHandle, Tensor } from '../index.js';
import { bufferField, type Buffer } from './module-buffers.js';
import { fieldsOf, join, keyOf } from './module-keys.js';
import { ModuleHooks } from './module-hooks.js';
import type { BackwardHook, BackwardPreHook, ForwardHook, ForwardPreHook } from './module-hooks.js';
import { placed } from './module-path.js';
import { moveTensors, type ModulePlace } from './module-place.js';
import { allBelow, lackableKeys, once, stateEntries } from './module-tree.js';
import { Parameter } from './parameter.js';
import { scopeMethods } from './scoped-methods.js';
import { loadEntries, type LoadResult, type StateSource } from './state-dict.js';

/**
 * Base class of layers and models.
 *
 * Fields that hold a {@link Parameter} or a module are found by iterating over the fields in creation order; only
 * buffers need to be registered. In state dicts a field `normOut` is called `norm_out`; names that do not follow that
 * rule are listed in a static table: `static keys = { block1: 'block_1' }`. Use `#private` fields for values that must
 * not be found.
 *
 * `forward` is called directly: `model.forward(x)`. Every call runs in its own scope, so that intermediate
 * tensors are freed when it returns; a module that needs to keep a tensor stores it in a buffer or uses
 * `torch.keep`. Write `forward` as a method, not as an arrow function in a field.
 *
 * @example
 * ```ts
 * class Residual extends nn.Module {
 *   readonly inner = new nn.Linear(64, 64); // in the state dict as inner.weight and inner.bias
 *   override forward(x: Tensor): Tensor {
 *     return x.add(this.inner.forward(x));
 *   }
 * }
 * const y = new Residual().forward(torch.randn([2, 64])); // [2, 64]
 * ```
 */
export class Module extends InThread {
  /** Names of the class's own methods that run in their own scope, as `forward` does: `['encode', 'decode']`. */
  protected static readonly scoped?: readonly string[];
  /** The class's own keys that a state dict may lack, such as constants: their tensors keep their values then. */
  protected static readonly mayLack?: readonly string[];
  /** True if the module is in training mode (dropout drops, batch norm uses the batch's statistics). */
  training = true;
  #buffers: Map<string, Buffer> | null = null;
  #hooks: ModuleHooks | null = null;

  constructor() {
    super(
      'a module',
      'send the tensors of its stateDict() as typed arrays, or save them with saveSafetensors',
    );
    if ((this.constructor as typeof Module).scoped !== undefined) scopeMethods(this.constructor);
    // The method found here is the most derived one; super.forward() reaches the prototypes, so it is wrapped once.
    const method = this.forward;
    Object.defineProperty(this, 'forward', {
      value: (...args: unknown[]): unknown => {
        try {
          return this.#hooks === null || this.#hooks.empty
            ? torch.scope(() => method.apply(this, args))
            : this.#hooks.call(this, method, args);
        } catch (error) {
          throw placed(error, this);
        }
      },
      writable: true,
      enumerable: false,
      configurable: false,
    });
  }

  /**
   * Computes the output, in its own scope, between its hooks. Subclasses override it with exact types.
   * @throws NotImplementedError if a class has no forward
   */
  // oxlint-disable-next-line typescript/no-explicit-any -- subclasses narrow arguments and result to exact types
  forward(..._args: any[]): any {
    throw new torch.NotImplementedError(`${this.constructor.name} has no forward method`);
  }

  /** Calls `hook(module, args)` before every `forward`; an array it returns replaces the arguments. */
  registerForwardPreHook(hook: ForwardPreHook): HookHandle {
    return (this.#hooks ??= new ModuleHooks()).add('before', hook);
  }

  /** Calls `hook(module, args, output)` after every `forward`; a value it returns replaces the output. */
  registerForwardHook(hook: ForwardHook): HookHandle {
    return (this.#hooks ??= new ModuleHooks()).add('after', hook);
  }

  /** Calls `hook(module, gradOutput)` in backward, before {@link registerFullBackwardHook}; an array replaces them. */
  registerFullBackwardPreHook(hook: BackwardPreHook): HookHandle {
    return (this.#hooks ??= new ModuleHooks()).add('backwardBefore', hook);
  }

  /**
   * Calls `hook(module, gradInput, gradOutput)` in backward, once the gradients of the module's inputs are known; an
   * array it returns replaces those. It sees tensors that `forward` takes and returns directly, not in objects, one
   * entry for each (null: no gradient). They are copied before and after `forward` while such a hook is registered.
   */
  registerFullBackwardHook(hook: BackwardHook): HookHandle {
    return (this.#hooks ??= new ModuleHooks()).add('backwardAfter', hook);
  }

  /**
   * Makes `tensor` a part of the module that is not trained: it moves with `to` and, unless `persistent` is false,
   * is in the state dict. The module gets a field of that name (write `declare name: Tensor` in the class); tensors
   * assigned to it later are kept alive outside scopes too.
   *
   * @param name field name; key rules as for any field
   * @param tensor null reserves the name
   */
  registerBuffer(
    name: string,
    tensor: Tensor | null,
    { persistent = true }: { persistent?: boolean } = {},
  ): void {
    (this.#buffers ??= new Map()).set(name, bufferField(this, name, tensor, persistent));
  }

  /** Returns the submodules under their keys, repeated ones repeatedly. Containers override this. */
  protected submodules(): [string, Module][] {
    return fieldsOf(this, (value) => value instanceof Module);
  }

  /** Returns the module's own parameters under their keys. */
  protected ownParameters(): [string, Parameter][] {
    return fieldsOf(this, (value) => value instanceof Parameter);
  }

  /** Returns the module's own buffers under their keys. Not #private, for modules of another copy of the package. */
  private ownBuffers(persistent = false): [string, Tensor][] {
    return [...(this.#buffers ?? [])].flatMap(([name, buffer]): [string, Tensor][] =>
      buffer.tensor === null || (persistent && !buffer.persistent)
        ? []
        : [[keyOf(this.constructor, name), buffer.tensor]],
    );
  }

  /** Returns the direct submodules with their keys, each once. */
  namedChildren(): [string, Module][] {
    return once(this.submodules());
  }

  /** Returns the direct submodules, each once. */
  children(): Module[] {
    return this.namedChildren().map(([, module]) => module);
  }

  /** Returns this module (under the empty key) and all below it, depth first, each once. */
  namedModules(): [string, Module][] {
    return allBelow<Module>(this, (module) => module.submodules());
  }

  /** Returns this module and all below it, depth first, each once. */
  modules(): Module[] {
    return this.namedModules().map(([, module]) => module);
  }

  /** Returns what `own` returns for this module and all below it, with keys relative to this module, each once. */
  #collect<T>(own: (module: Module) => [string, T][]): [string, T][] {
    return once(
      this.namedModules().flatMap(([key, module]) =>
        own(module).map(([name, value]): [string, T] => [join(key, name), value]),
      ),
    );
  }

  /** Returns all parameters with their state-dict keys; a shared one appears once, under its first key. */
  namedParameters(): [string, Parameter][] {
    return this.#collect((module) => module.ownParameters());
  }

  /** Returns all parameters, own ones first, each once: the argument of optimizers. */
  parameters(): Parameter[] {
    return this.namedParameters().map(([, parameter]) => parameter);
  }

  /** Returns all buffers with their keys, persistent or not, each once. */
  namedBuffers(): [string, Tensor][] {
    return this.#collect((module) => module.ownBuffers());
  }

  /** Returns all buffers, persistent or not, each once. */
  buffers(): Tensor[] {
    return this.namedBuffers().map(([, buffer]) => buffer);
  }

  /**
   * Returns parameters and persistent buffers by key, in PyTorch's order: a module's own parameters, its own buffers,
   * then its submodules. The tensors are the module's own, not copies. Shared tensors are listed under both keys.
   */
  stateDict(): Map<string, Tensor> {
    return new Map(this.#stateEntries());
  }

  #stateEntries(): [string, Tensor][] {
    const own = (module: Module) => [...module.ownParameters(), ...module.ownBuffers(true)];
    return stateEntries<Module, Tensor>(this, own, (module) => module.submodules());
  }

  /**
   * Copies a state dict into the module's parameters and buffers, casting to their dtype and device.
   *
   * @param source a Map of tensors, or a lazy one such as {@link loadCheckpoint} returns, read one tensor at a time
   * @param options.strict default true: missing and unexpected keys are an error, except those that a module may lack.
   *   Shapes must match either way; [1] is loaded into a scalar.
   * @returns the missing and unexpected keys
   * @throws StateDictError with the keys and shapes that do not match; nothing was loaded then
   */
  loadStateDict(source: StateSource, { strict = true }: { strict?: boolean } = {}): LoadResult {
    const mayLack = lackableKeys<Module>(this, (module) => module.submodules());
    const result = loadEntries(this.#stateEntries(), source, strict, this.constructor.name, mayLack);
    for (const [key, module] of this.namedModules()) {
      module.stateLoaded(!result.missing.some((lacking) => key === '' || lacking.startsWith(`${key}.`)));
    }
    return result;
  }

  /**
   * Called on every module after a state dict was loaded into it, directly or through an outer module, for modules
   * that behave differently once they have weights. `complete` is true if the source had all of its keys.
   */
  protected stateLoaded(_complete: boolean): void {}

  /** Sets training mode for this module and all below it. */
  train(mode = true): this {
    for (const module of this.modules()) module.training = mode;
    return this;
  }

  /** Same as `train(false)`. */
  eval(): this {
    return this.train(false);
  }

  /**
   * Moves parameters, their gradients and buffers to a dtype, device or memory format, in place: parameters stay the
   * same objects, so optimizers stay valid. A dtype changes floating-point (and complex) tensors only.
   */
  to(place: ModulePlace): this {
    moveTensors(this.parameters(), this.buffers(), place);
    return this;
  }

  /** Converts floating-point parameters and buffers to float32, in place. */
  float(): this {
    return this.to('float32');
  }

  /** Converts floating-point parameters and buffers to float64, in place. */
  double(): this {
    return this.to('float64');
  }

  /** Freezes (`false`) or unfreezes the parameters. */
  requiresGrad_(flag = true): this {
    for (const parameter of this.parameters()) parameter.requiresGrad_(flag);
    return this;
  }

  /** Drops all gradients. */
  zeroGrad(): void {
    for (const parameter of this.parameters()) parameter.grad = null;
  }

  /** Calls `fn` on every module below, children first, then on this one. */
  apply(fn: (module: Module) => void): this {
    for (const child of this.children()) child.apply(fn);
    fn(this);
    return this;
  }

  /** Returns the arguments shown between the parentheses of {@link toString}. */
  protected extraRepr(): string {
    return '';
  }

  /** Formats the module as PyTorch prints it: its class, its settings and its submodules, indented. */
  override toString(): string {
    const extra = this.extraRepr();
    const name = 'parametrizations' in this ? `Parametrized${this.constructor.name}` : this.constructor.name;
    const children = this.childLines().map((line) => line.replaceAll('\n', '\n  '));
    if (children.length === 0) return `${name}(${extra})`;
    const lines = extra === '' ? children : [extra, ...children];
    return `${name}(\n  ${lines.join('\n  ')}\n)`;
  }

  /** Returns the submodules' lines in {@link toString}. */
  protected childLines(): string[] {
    return this.submodules().map(([key, child]) => `(${key}): ${String(child)}`);
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

acrossCopies(Module, 'Module');
