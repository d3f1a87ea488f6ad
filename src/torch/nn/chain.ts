import type { Tensor } from '../index.js';
import type { Module } from './module.js';

/**
 * Passes `x` through modules and functions in turn, and releases every value between them as soon as the next one
 * exists; `x` itself stays. What backward needs is held by autograd, not by these handles.
 *
 * @example
 * ```ts
 * const [first, last] = [new nn.Linear(8, 32), new nn.Linear(32, 2)];
 * const y = nn.chain(torch.randn([4, 8]), first, F.relu, last); // [4, 2]
 * ```
 */
export function chain(x: Tensor, ...stages: readonly (Module | ((h: Tensor) => Tensor))[]): Tensor {
  let h = x;
  for (const stage of stages) {
    const next = typeof stage === 'function' ? stage(h) : (stage.forward(h) as Tensor);
    if (h !== x && h !== next) h.dispose();
    h = next;
  }
  return h;
}
