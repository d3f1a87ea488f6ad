import type { Tensor } from '../index.js';
import * as foreach from './foreach.js';
import { ListOptimizer } from './list-optimizer.js';
import type { Batch } from './list-optimizer.js';
import type { ParameterGroup } from './optimizer.js';

export interface RMSpropSettings {
  /** Learning rate. Default 1e-2. */
  lr: number;
  /** Default 0. */
  momentum: number;
  /** Decay of the mean of the gradient's square. Default 0.99. */
  alpha: number;
  /** Added to the denominator. Default 1e-8. */
  eps: number;
  /** Divide by the gradient's standard deviation instead of its root mean square. Default false. */
  centered: boolean;
  /** L2 penalty. Default 0. */
  weightDecay: number;
  /** Maximise instead of minimising. Default false. */
  maximize: boolean;
}

/**
 * RMSprop: gradient divided by its running root mean square (Hinton's lecture 6e; centred: Graves, arXiv 1308.0850).
 *
 * @example
 * ```ts
 * const optimizer = new optim.RMSprop(new nn.Linear(8, 2).parameters(), { lr: 1e-3, centered: true });
 * ```
 */
export class RMSprop extends ListOptimizer<RMSpropSettings> {
  protected static override readonly defaults: RMSpropSettings = {
    lr: 1e-2,
    momentum: 0,
    alpha: 0.99,
    eps: 1e-8,
    centered: false,
    weightDecay: 0,
    maximize: false,
  };

  protected override ownChecks({ alpha }: RMSpropSettings): Record<string, boolean> {
    return { [`alpha ${alpha} (must be at least 0)`]: alpha >= 0 };
  }

  protected override stateNames({ momentum, centered }: RMSpropSettings): readonly string[] {
    return ['square_avg', ...(momentum > 0 ? ['momentum_buffer'] : []), ...(centered ? ['grad_avg'] : [])];
  }

  protected override update(batch: Batch, group: ParameterGroup<RMSpropSettings>): void {
    const { lr, momentum, alpha, eps, centered, weightDecay } = group;
    batch.countSteps();
    const slopes = batch.decayed(weightDecay);
    const squares = batch.column('square_avg');
    foreach.mulNumber_(squares, alpha);
    foreach.addcmul_(squares, slopes, slopes, 1 - alpha);
    let sizes: Tensor[];
    if (centered) {
      const means = batch.column('grad_avg');
      foreach.lerp_(means, slopes, 1 - alpha);
      sizes = foreach.addcmul(squares, means, means, -1);
      foreach.sqrt_(sizes);
    } else {
      sizes = foreach.sqrt(squares);
    }
    foreach.addNumber_(sizes, eps);
    if (momentum > 0) {
      const buffers = batch.column('momentum_buffer');
      foreach.mulNumber_(buffers, momentum);
      foreach.addcdiv_(buffers, slopes, sizes, 1);
      foreach.add_(batch.parameters, buffers, -lr);
    } else {
      foreach.addcdiv_(batch.parameters, slopes, sizes, -lr);
    }
  }
}
