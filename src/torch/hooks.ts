import { ArgumentError } from './core/errors.js';
import { translated } from './core/translated.js';
import { native } from './native/load.js';
import { putHandles, wire } from './native/wire.js';
import { born, enterScope, leaveScope, Tensor } from './core/tensor.js';

/** Removes a hook. */
export interface HookHandle {
  remove(): void;
}

/** Takes the tensors that the addon left on the wire for a callback; they belong to a new scope. */
function takeTensors(): (Tensor | null)[] {
  const handles = Array.from(wire.subarray(1, 1 + wire[0]!));
  return handles.map((handle) => (handle === 0 ? null : born(handle)));
}

/**
 * Returns a callback that the addon calls in a backward pass. Tensors are passed on the wire in both directions; all
 * others are freed when it ends.
 */
export function onTheWire(work: (tensors: (Tensor | null)[]) => readonly (Tensor | null)[]): () => void {
  return () => {
    enterScope();
    try {
      const results = work(takeTensors());
      putHandles(
        results.map((tensor) => tensor?.handle ?? 0),
        0,
      );
    } finally {
      leaveScope();
    }
  };
}

// Created outside the closure over the tensor: the tensor holds the callback, which must not hold the tensor's object,
// or the garbage collector would never find that unreachable.
function callbackOf(hook: (gradient: Tensor) => Tensor | void): () => void {
  return onTheWire(([gradient]) => {
    const replaced = gradient ? hook(gradient) : undefined;
    if (replaced === undefined || replaced === null) return [];
    if (replaced instanceof Tensor) return [replaced];
    throw new ArgumentError('a hook must return a gradient or nothing');
  });
}

/** See `Tensor.registerHook`. */
export function registerHook(tensor: Tensor, hook: (gradient: Tensor) => Tensor | void): HookHandle {
  if (typeof hook !== 'function') throw new ArgumentError('a hook must be a function of the gradient');
  const number = translated(() => native.registerHook(tensor.handle, callbackOf(hook)), 'registerHook');
  return {
    remove: () => {
      if (!tensor.disposed) native.removeHook(tensor.handle, number);
    },
  };
}

/**
 * Calls `hook` after each backward that has added to a leaf's gradient, as PyTorch's
 * `register_post_accumulate_grad_hook` does, but a leaf has one such hook: the last one. `torch.grad` does not call it.
 */
export function registerPostAccumulateGradHook(leaf: Tensor, hook: () => void): HookHandle {
  const callback = onTheWire(() => {
    hook();
    return [];
  });
  translated(() => native.setAccumulationHook(leaf.handle, callback), 'registerPostAccumulateGradHook');
  return {
    remove: () => {
      if (!leaf.disposed) native.setAccumulationHook(leaf.handle, null);
    },
  };
}
