import { ArgumentError } from './errors.js';

/**
 * Returns a value that structured cloning refuses, with the symbol's text in the error. Stored in a field of objects
 * that hold a number in this thread's tables, which would mean nothing elsewhere if it were copied.
 */
export function notCloned(what: string, instead: string): symbol {
  return Symbol(`${what} belongs to its thread: ${instead}`);
}

/**
 * Base class of objects that belong to this thread: `structuredClone`, `postMessage` and `JSON.stringify` throw an
 * error that says what to send or write instead.
 *
 * @example
 * ```ts
 * const optimizer = new optim.SGD([torch.zeros([2], { requiresGrad: true })]);
 * JSON.stringify(optimizer); // throws an ArgumentError: save its stateDict() with savePytorch
 * ```
 */
export abstract class InThread {
  /** Keeps the object from being cloned. */
  readonly cloning: symbol;

  /** @param what such as `a generator` @param instead such as `send its state` */
  constructor(what: string, instead: string) {
    this.cloning = notCloned(what, instead);
  }

  /** Called by `JSON.stringify`. @throws ArgumentError always: the object cannot be serialised */
  toJSON(): unknown {
    throw new ArgumentError(`cannot be converted to JSON: ${this.cloning.description}`);
  }
}
