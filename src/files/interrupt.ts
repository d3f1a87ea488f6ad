/** An abort signal that Ctrl-C and SIGTERM trigger; returned by `interruptible`. */
export interface Interruptible {
  signal: AbortSignal;
  /** Aborts the signal, as the first Ctrl-C does. */
  interrupt: () => void;
  /** Removes the signal handlers. */
  release: () => void;
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
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort(new Error('interrupted'));
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return {
    signal: controller.signal,
    interrupt: () => controller.abort(new Error('interrupted')),
    release() {
      process.off('SIGINT', onSignal);
      process.off('SIGTERM', onSignal);
    },
  };
}
