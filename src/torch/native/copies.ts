import { requireSameVersion, thisCopy, type Copy } from './first-copy.js';
import { native } from './load.js';

/**
 * State shared by the copies of this package in one thread. A program can load several: it both requires and imports
 * the package, or a test runner gives each file its own modules. All of them use the same addon, which has one wire and
 * one stack of scopes.
 */
interface Shared extends Copy {
  wire: Float64Array;
  /** The number of open scopes, in an array of one element. */
  readonly scopes: Int32Array;
  /** The limit of the process's allocations on the CPU, once a copy has set it. */
  memoryBudget?: number;
  /** Notifies each copy of a new wire; held weakly, for modules that a test runner has dropped. */
  listeners: WeakRef<(wire: Float64Array) => void>[];
}

// Stored on the addon's exports: one object for all copies in a thread, and another one in every thread.
const key = Symbol.for('tessera-torch.copies');

function joinCopies(): Shared {
  const exports = native as typeof native & { [key]?: Shared };
  const first = exports[key];
  if (first === undefined) {
    const wire = new Float64Array(1 << 14);
    native.setWire(wire);
    const shared: Shared = {
      ...thisCopy(),
      wire,
      scopes: new Int32Array(1),
      listeners: [],
    };
    Object.defineProperty(exports, key, { value: shared });
    return shared;
  }
  requireSameVersion(first);
  return first;
}

/** The state that this copy shares with others in its thread. @throws Error if the copies' versions differ */
export const shared: Shared = joinCopies();

/** Calls `listener`, to which the caller must keep a reference, with every replacement of the wire. */
export function onNewWire(listener: (wire: Float64Array) => void): void {
  shared.listeners = shared.listeners.filter((other) => other.deref() !== undefined);
  shared.listeners.push(new WeakRef(listener));
}

/** Gives the addon and all copies another wire. */
export function replaceWire(wire: Float64Array): void {
  native.setWire(wire);
  shared.wire = wire;
  for (const listener of shared.listeners) listener.deref()?.(wire);
}
