import { clipGradNorm_ } from '../../torch/nn/clip-gradients.js';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import type { StepOptimizer } from './step-optimizer.js';
import { WrappedOptimizer, type WrappableOptimizer } from './wrapped-optimizer.js';

/**
 * An optimizer for training steps that, before each of its steps, scales all its gradients together so that their norm
 * is at most `maxNorm`. In a loop that calls `backward` itself, `nn.clipGradNorm_` does the same.
 *
 * @example
 * ```ts
 * const { model: net } = await openRun('runs/transformer', 'transformer');
 * const optimizer = new ClippedOptimizer(transformerOptimizer(net.transformer, { lr: 1e-4 }), 1);
 * const images = torch.zeros([2, 3, 64, 64]);
 * transformerStep(net, optimizer, { x: images, c: images });
 * console.log(optimizer.norm.item());
 * ```
 */
export class ClippedOptimizer extends WrappedOptimizer {
  /** Norm of the gradients at the last step before they were scaled, float32 []: overwritten by the next step. */
  readonly norm: Tensor;
  readonly #maxNorm: number;

  /** @throws RangeError if `maxNorm` is not a positive number */
  constructor(optimizer: WrappableOptimizer, maxNorm: number) {
    super(optimizer, 'a clipped optimizer', 'make one in each thread');
    if (!(maxNorm > 0)) throw new RangeError(`maxNorm must be a number above 0, got ${maxNorm}`);
    this.#maxNorm = maxNorm;
    const { device = 'cpu' } = this.parameters[0] ?? {};
    this.norm = torch.keep(torch.zeros([], { dtype: 'float32', device }));
  }

  /** Scales the gradients and updates the parameters. Does not wait for the device. */
  step(): void {
    torch.scope(() => {
      const norm = clipGradNorm_(this.parameters, this.#maxNorm);
      torch.noGrad(() => this.norm.copy_(norm));
    });
    this.optimizer.step();
  }

  /** Releases `norm`; otherwise the garbage collector does. */
  dispose(): void {
    this.norm.dispose();
  }
}

/** Returns the optimizer, clipped if a norm is given. */
export function clippedBy<O extends WrappableOptimizer>(
  optimizer: O,
  maxNorm: number | undefined,
): O | ClippedOptimizer {
  return maxNorm === undefined ? optimizer : new ClippedOptimizer(optimizer, maxNorm);
}

/** Returns the norms of those optimizers that are clipped, by the optimizers' names. */
export function normsOf(optimizers: Readonly<Record<string, StepOptimizer>>): Record<string, Tensor> {
  const clipped = Object.entries(optimizers).flatMap<[string, Tensor]>(([name, optimizer]) =>
    optimizer instanceof ClippedOptimizer ? [[name, optimizer.norm]] : [],
  );
  return Object.fromEntries(clipped);
}
