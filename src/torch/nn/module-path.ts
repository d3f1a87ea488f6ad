import { TorchError } from '../core/errors.js';
import { join } from './module-keys.js';

/** The part of a module that is used here. */
interface Outer {
  namedModules(): [string, object][];
}

interface Place {
  /** The outermost module that the error has passed through. */
  outer: Outer;
  /** The path from there to the module that failed. */
  path: string;
  /** The class of the module that failed. */
  name: string;
  /** The error's message before the path was added. */
  message: string;
}

const places = new WeakMap<TorchError, Place>();

/**
 * Adds the module that an error comes from to its message, `(in encoder.down.0: Linear)`. Called by each module that
 * the error passes through, from the inside out. Returns the error, of whatever kind it is.
 */
export function placed(error: unknown, module: Outer): unknown {
  if (!(error instanceof TorchError)) return error;
  const known = places.get(error);
  const { name } = module.constructor;
  const place = known ?? { outer: module, path: '', name, message: error.message };
  if (known !== undefined && known.outer !== module) {
    const step = stepTo(known.outer, module);
    // A module held where it cannot be found has no path there.
    if (step !== undefined) place.path = place.path === '' ? step : join(step, place.path);
    place.outer = module;
  }
  places.set(error, place);
  const where = place.path === '' ? place.name : `${place.path}: ${place.name}`;
  // A frozen error stays unchanged.
  Reflect.set(error, 'message', `${place.message} (in ${where})`);
  return error;
}

function stepTo(inner: Outer, outer: Outer): string | undefined {
  try {
    return outer.namedModules().find(([, module]) => module === inner)?.[0];
  } catch {
    return undefined; // The module cannot be listed; the original error says more.
  }
}
