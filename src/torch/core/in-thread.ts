import { ArgumentError } from './errors.js';

/**
 * A value that structured cloning refuses, with the symbol's text in its message: in a field, where else an object's number
 * in this thread's tables would be copied, which means nothing anywhere else.
 */
export function notCloned(what: string, instead: string): symbol {
  return Symbol(`${what} belongs to its thread: ${instead}`);
}

/**
 * Base of objects that stand for something of this thread: `structuredClone`, `postMessage` and `JSON.stringify` end in an
 * error that says what to send or write instead.
 */
export abstract class InThread {
  /** Keeps the object from being cloned. */
  readonly cloning: symbol;

  /** @param what such as `a generator` @param instead such as `send its state` */
  constructor(what: string, instead: string) {
    this.cloning = notCloned(what, instead);
  }

  /** Called by `JSON.stringify`. @throws ArgumentError: it is no data */
  toJSON(): unknown {
    throw new ArgumentError(`no JSON: ${this.cloning.description}`);
  }
}
