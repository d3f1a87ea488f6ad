import type { Module } from './module.js';

/**
 * Runs `fn` with a module in evaluation mode, and then restores the mode of the module and of every module below it,
 * even if `fn` throws.
 *
 * @param fn synchronous: modes are restored when it returns
 * @returns what `fn` returned
 *
 * @example
 * ```ts
 * const model = new nn.Sequential(new nn.Linear(8, 2), new nn.Dropout());
 * const y = nn.inEvaluation(model, () => model.forward(torch.randn([4, 8]))); // [4, 2]
 * ```
 */
export function inEvaluation<T>(module: Module, fn: () => T): T {
  // Each module separately: parts may be frozen in evaluation mode while the whole is trained.
  const modes = [...module.modules()].map((part) => [part, part.training] as const);
  module.eval();
  try {
    return fn();
  } finally {
    for (const [part, training] of modes) part.training = training;
  }
}
