import './dispose-symbol.js';
/** Enters a mode and returns the function that leaves it. */
export type Enter = () => () => void;

/** Calls a synchronous `fn` within a mode. */
export function within<T>(enter: Enter, fn: () => T): T {
  const leave = enter();
  try {
    const result = fn();
    if (result instanceof Promise) {
      result.catch(() => {});
      throw new TypeError(
        'autocast, noGrad, enableGrad and inferenceMode cannot wait: use them around the synchronous parts of an async function',
      );
    }
    return result;
  } finally {
    leave();
  }
}

/** An object for `using` that restores the previous mode. */
export function guard(enter: Enter): Disposable {
  let leave: (() => void) | null = enter();
  return {
    [Symbol.dispose]() {
      leave?.();
      leave = null;
    },
  };
}
