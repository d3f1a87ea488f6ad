import { interruptible, type Interruptible } from '../files/interrupt.js';

let current: Interruptible | null = null;

/** Returns the abort signal of Ctrl-C, one for the whole command. */
export function interruptSignal(): AbortSignal {
  return (current ??= interruptible()).signal;
}

/** True if the user has asked to stop. */
export function wasInterrupted(): boolean {
  return current?.signal.aborted ?? false;
}

/** Stops the current work as Ctrl-C does; returns false if there is none to stop. */
export function interrupt(): boolean {
  current?.interrupt();
  return current !== null;
}
