import type { Module } from './module.js';

/**
 * Runs `fn` with a module in evaluation mode, and puts it and every module below back into the mode that each was in,
 * also where `fn` throws.
 *
 * @param fn synchronous: modes are put back when it returns
 * @returns what `fn` returned
 */
export function inEvaluation<T>(module: Module, fn: () => T): T {
  // Each by itself: parts may be frozen in evaluation mode while the whole is trained.
  const modes = [...module.modules()].map((part) => [part, part.training] as const);
  module.eval();
  try {
    return fn();
  } finally {
    for (const [part, training] of modes) part.training = training;
  }
}
