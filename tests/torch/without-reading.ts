/** Calls whose work is launched and never read back: on a GPU each read would wait for all that came before. */
import type { ExecutionContext } from 'ava';
import { Tensor } from '../../src/torch/index.js';

// What brings values to the host, and what libtorch itself can only size by looking at values.
const reading = [
  'item',
  'tolist',
  'toTypedArray',
  'cpu',
  'nonzero',
  'nonzeroNumpy',
  'argwhere',
  'maskedSelect',
  'multinomial',
  'bincount',
  'isNonzero',
  'equal',
] as const;

/** Runs `fn` with every reading method failing. */
export function withoutReading<T>(t: ExecutionContext, fn: () => T): T {
  const prototype = Tensor.prototype as unknown as { [name: string]: unknown };
  const kept = reading.map((name) => [name, Object.getOwnPropertyDescriptor(prototype, name)] as const);
  for (const [name, descriptor] of kept) {
    t.truthy(descriptor, name);
    Object.defineProperty(prototype, name, {
      ...descriptor,
      value: () => {
        throw new Error(`${name}() waits for the device`);
      },
    });
  }
  try {
    return fn();
  } finally {
    for (const [name, descriptor] of kept) Object.defineProperty(prototype, name, descriptor!);
  }
}
