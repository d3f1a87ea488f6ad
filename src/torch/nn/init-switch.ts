import { unrecorded } from '../core/unrecorded.js';
import type { Tensor } from '../index.js';

let skipping = 0;

/**
 * Runs `fn`, in which modules are built with uninitialised parameters: for a model whose weights are loaded next.
 * Buffers (masks, running statistics) are set as usual.
 *
 * @example
 * ```ts
 * const model = nn.skipInit(() => new nn.Linear(8, 2));
 * model.loadStateDict(new nn.Linear(8, 2).stateDict());
 * ```
 */
export function skipInit<T>(fn: () => T): T {
  skipping++;
  try {
    return fn();
  } finally {
    skipping--;
  }
}

/**
 * True outside {@link skipInit}; check this before an initialisation that does not use this module.
 *
 * @example
 * ```ts
 * const scale = torch.empty([64]);
 * if (nn.initEnabled()) scale.fill_(0.02);
 * ```
 */
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
