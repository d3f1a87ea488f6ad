import { unrecorded } from '../core/unrecorded.js';
import type { Tensor } from '../index.js';

let skipping = 0;

/**
 * Runs `fn`, in which modules are built with uninitialised parameters: for a model whose weights are loaded next.
 * Buffers (masks, running statistics) are set as usual.
 */
export function skipInit<T>(fn: () => T): T {
  skipping++;
  try {
    return fn();
  } finally {
    skipping--;
  }
}

/** True outside {@link skipInit}; check this before an initialisation that does not use this module. */
export function initEnabled(): boolean {
  return skipping === 0;
}

/** Calls `write` without gradients, unless initialisation is being skipped. */
export function fill(tensor: Tensor, write: () => void): Tensor {
  if (initEnabled()) {
    unrecorded(() => {
      write();
    });
  }
  return tensor;
}
