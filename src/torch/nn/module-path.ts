import { TorchError } from '../core/errors.js';
import { join } from './module-keys.js';

/** What is asked of a module here. */
interface Outer {
  namedModules(): [string, object][];
}

interface Place {
  /** The outermost module that the error has come through. */
  outer: Outer;
  /** From there to the module that failed. */
  path: string;
  /** That module's class. */
  name: string;
  /** The error's message before it named a place. */
  message: string;
}

const places = new WeakMap<TorchError, Place>();

/**
 * Names the module that an error comes from in its message, `(in encoder.down.0: Linear)`: called with each module the error
 * comes through, from the inside out. Gives the error, whatever it is.
 */
export function placed(error: unknown, module: Outer): unknown {
  if (!(error instanceof TorchError)) return error;
  const known = places.get(error);
  const { name } = module.constructor;
  const place = known ?? { outer: module, path: '', name, message: error.message };
  if (known !== undefined && known.outer !== module) {
    const step = stepTo(known.outer, module);
    // Held where it is not found, it has no name there.
    if (step !== undefined) place.path = place.path === '' ? step : join(step, place.path);
    place.outer = module;
  }
  places.set(error, place);
  const where = place.path === '' ? place.name : `${place.path}: ${place.name}`;
  // A frozen error stays as it is.
  Reflect.set(error, 'message', `${place.message} (in ${where})`);
  return error;
}

function stepTo(inner: Outer, outer: Outer): string | undefined {
  try {
    return outer.namedModules().find(([, module]) => module === inner)?.[0];
  } catch {
    return undefined; // A module that cannot be listed: the error it has caused says more.
  }
}
