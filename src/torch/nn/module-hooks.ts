import * as torch from '../index.js';
import type { HookHandle, Tensor } from '../index.js';
import type { Module } from './module.js';

/** Called before `forward`; may return other arguments for it, as an array. */
export type ForwardPreHook = (module: Module, args: unknown[]) => unknown[] | void;
/** Called after `forward`; may return another output. */
export type ForwardHook = (module: Module, args: unknown[], output: unknown) => unknown;
/** Called in backward before the module's backward; may return other gradients of its outputs. */
export type BackwardPreHook = (module: Module, gradOutput: Gradients) => Gradients | void;
/** Called in backward after the module's backward; may return other gradients of its inputs. */
export type BackwardHook = (module: Module, gradInput: Gradients, gradOutput: Gradients) => Gradients | void;
export type Gradients = (Tensor | null)[];

type Sets = ModuleHooks['sets'];

type HookOf<K extends keyof Sets> = Sets[K] extends Set<infer Hook> ? Hook : never;

/** The hooks of one module, and the call of its `forward` with them. */
export class ModuleHooks {
  readonly sets = {
    before: new Set<ForwardPreHook>(),
    after: new Set<ForwardHook>(),
    backwardBefore: new Set<BackwardPreHook>(),
    backwardAfter: new Set<BackwardHook>(),
  };
  #count = 0;

  /** Adds a hook; the same one may be added twice. */
  add<K extends keyof Sets>(when: K, hook: HookOf<K>): HookHandle {
    const own = ((...args: unknown[]) => (hook as (...args: unknown[]) => unknown)(...args)) as HookOf<K>;
    const set = this.sets[when] as Set<unknown>;
    set.add(own);
    this.#count++;
    return {
      remove: () => {
        if (set.delete(own)) this.#count--;
      },
    };
  }

  get empty(): boolean {
    return this.#count === 0;
  }

  call(module: Module, method: (...args: unknown[]) => unknown, args: unknown[]): unknown {
    for (const hook of this.sets.before) args = hook(module, args) ?? args;
    const watched = this.sets.backwardBefore.size + this.sets.backwardAfter.size > 0;
    let output = torch.scope(() =>
      watched && torch.isGradEnabled() ? this.#callWatched(module, method, args) : method.apply(module, args),
    );
    for (const hook of this.sets.after) output = hook(module, args, output) ?? output;
    return output;
  }

  // Two identity operators around the module: the outer one's backward runs first and sees the gradients of the
  // outputs, the inner one's sees those of the inputs.
  #callWatched(module: Module, method: (...args: unknown[]) => unknown, args: unknown[]): unknown {
    let gradOutput: Gradients = [];
    const inputs = args.filter((arg): arg is Tensor => arg instanceof torch.Tensor);
    const learns = inputs.map((input) => input.requiresGrad);
    const watching = (backward: (gradients: Tensor[]) => Gradients) =>
      torch.customFunction({
        name: `${module.constructor.name} backward hook`,
        forward: (_, ...tensors: Tensor[]) => tensors.map((tensor) => tensor.clone()),
        backward: (_, ...gradients: Tensor[]) => backward(gradients),
      });
    const watchInputs = watching((gradients) => {
      const seen = gradients.map((gradient, i) => (learns[i] === true ? gradient : null));
      const gradInput = this.#finish(module, seen, gradOutput);
      torch.dispose(gradOutput.filter((gradient) => !gradInput.includes(gradient)));
      return gradInput;
    });
    const watchOutputs = watching((gradients) => {
      gradOutput = gradients;
      for (const hook of this.sets.backwardBefore) gradOutput = checked(hook(module, gradOutput), gradOutput);
      const none = inputs.map(() => null);
      // If no input needs a gradient, the inner backward does not run: the hooks after it are called here.
      if (!learns.includes(true)) this.#finish(module, none, gradOutput);
      // They are needed again after the scope of this call.
      else torch.keep(gradOutput);
      return gradOutput;
    });
    const copies = learns.includes(true) ? watchInputs(...inputs).values() : null;
    const given =
      copies === null ? args : args.map((arg) => (arg instanceof torch.Tensor ? copies.next().value : arg));
    const output = method.apply(module, given);
    if (output instanceof torch.Tensor) return watchOutputs(output)[0];
    if (!Array.isArray(output) || !output.some((one) => one instanceof torch.Tensor)) return output;
    const results = watchOutputs(
      ...output.filter((one): one is Tensor => one instanceof torch.Tensor),
    ).values();
    return output.map((one: unknown) => (one instanceof torch.Tensor ? results.next().value : one));
  }

  #finish(module: Module, seen: Gradients, gradOutput: Gradients): Gradients {
    let gradInput = seen;
    for (const hook of this.sets.backwardAfter)
      gradInput = checked(hook(module, gradInput, gradOutput), gradInput);
    return gradInput;
  }
}

function checked(returned: Gradients | void, given: Gradients): Gradients {
  if (returned === undefined) return given;
  if (Array.isArray(returned) && returned.length === given.length) return returned;
  throw new torch.ArgumentError(
    `a backward hook must return nothing or an array of ${given.length} gradients`,
  );
}
