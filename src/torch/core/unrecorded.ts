import { noGrad } from './autograd.js';
import { scope } from './scope.js';

/** Runs `fn` in a scope and without gradients; returns what it returns. */
export function unrecorded<T>(fn: () => T): T {
  return noGrad(() => scope(fn));
}
