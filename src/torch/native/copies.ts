import { requireSameVersion, thisCopy, type Copy } from './first-copy.js';
import { native } from './load.js';

/**
 * What the copies of this package in one thread have in common. A program may come to several: it requires the package and
 * imports it, or a test runner gives every file modules of its own. They all find the same addon, which knows one wire and
 * one stack of scopes.
 */
interface Shared extends Copy {
  wire: Float64Array;
  /** One element: how many scopes are open. */
  readonly scopes: Int32Array;
  /** What the process may allocate on the CPU, once a copy has set it. */
  memoryBudget?: number;
  /** What tells each copy of a new wire; held weakly, for modules that a test runner has dropped. */
  listeners: WeakRef<(wire: Float64Array) => void>[];
}

// On the addon's exports, which are one object for all copies, and another one in every thread.
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

/** What this copy shares with others in its thread. @throws Error where another one is of another version */
export const shared: Shared = joinCopies();

/** Calls `listener`, which the caller must hold, with every wire that takes the place of the one before. */
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
