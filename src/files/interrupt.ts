/** An abort signal that Ctrl-C and SIGTERM trigger; returned by `interruptible`. */
export interface Interruptible {
  signal: AbortSignal;
  /** Aborts the signal, as the first Ctrl-C does. */
  interrupt: () => void;
  /** Removes the signal handlers. */
  release: () => void;
}

/** A signal that asks a program to end. */
type InterruptSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';

/** Handlers of the signals that ask a program to end; returned by `onInterrupt`. */
export interface InterruptHandlers {
  /** Does what the first signal does, unless there was one. */
  interrupt: () => void;
  /** Removes the signal handlers. */
  release: () => void;
}

/**
 * Calls `first` at the first Ctrl-C or SIGTERM, or other signal of `signals`, and `again` at each later one, of whichever
 * kind.
 */
export function onInterrupt(
  first: (signal: InterruptSignal) => void,
  again: () => void,
  signals: readonly InterruptSignal[] = ['SIGINT', 'SIGTERM'],
): InterruptHandlers {
  let asked = false;
  const take = (signal: InterruptSignal) => {
    if (asked) return again();
    asked = true;
    first(signal);
  };
  for (const name of signals) process.on(name, take);
  return {
    interrupt() {
      if (!asked) take('SIGINT');
    },
    release() {
      for (const name of signals) process.off(name, take);
    },
  };
}

/**
 * Returns an abort signal that the first Ctrl-C or SIGTERM triggers, so that work can finish a step, save and clean up;
 * the second ends the process at once with exit code 130. Call `release` to remove the signal handlers.
 *
 * @example
 * ```ts
 * const { signal, release } = interruptible();
 * const { report } = await openImages({ path: 'photos', size: 64 }, { signal });
 * release();
 * ```
 */
export function interruptible(): Interruptible {
  const controller = new AbortController();
  const handlers = onInterrupt(
    () => controller.abort(new Error('interrupted')),
    () => process.exit(130),
  );
  return { signal: controller.signal, ...handlers };
}
