import { interruptible, type Interruptible } from '../files/interrupt.js';

let current: Interruptible | null = null;

/** Returns the signal that Ctrl-C aborts, the same for the whole command. */
export function interruptSignal(): AbortSignal {
  return (current ??= interruptible()).signal;
}

/** True if the user has asked to stop. */
export function wasInterrupted(): boolean {
  return current?.signal.aborted ?? false;
}

/** Stops the work under way as Ctrl-C does; returns false if there is none that could be stopped so. */
export function interrupt(): boolean {
  current?.interrupt();
  return current !== null;
}
