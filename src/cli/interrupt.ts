let controller: AbortController | null = null;

/** Whether the user has asked to stop. */
export function wasInterrupted(): boolean {
  return controller?.signal.aborted ?? false;
}

/** Stops what is under way as Ctrl-C does; false where nothing is that could be stopped so. */
export function interrupt(): boolean {
  if (controller === null) return false;
  controller.abort(new Error('interrupted'));
  return true;
}

/**
 * A signal that aborts at the first Ctrl-C (or SIGTERM), so that work can clean up after itself. At the
 * second the process ends at once.
 */
export function interruptSignal(): AbortSignal {
  if (controller) return controller.signal;
  controller = new AbortController();
  const onSignal = () => {
    if (controller?.signal.aborted) process.exit(130);
    controller?.abort(new Error('interrupted'));
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return controller.signal;
}
