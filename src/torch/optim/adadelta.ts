import * as foreach from './foreach.js';
import { ListOptimizer } from './list-optimizer.js';
import type { Batch } from './list-optimizer.js';
import type { ParameterGroup } from './optimizer.js';

export interface AdadeltaSettings {
  /** Factor of every update. Default 1. */
  lr: number;
  /** Decay of the running means of squares. Default 0.9. */
  rho: number;
  /** Added under the square roots. Default 1e-6. */
  eps: number;
  /** L2 penalty. Default 0. */
  weightDecay: number;
  /** Maximise instead of minimising. Default false. */
  maximize: boolean;
}

/**
 * Adadelta: scales updates by the size of previous ones (Zeiler, arXiv 1212.5701).
 *
 * @example
 * ```ts
 * const optimizer = new optim.Adadelta(new nn.Linear(8, 2).parameters(), { rho: 0.95 });
 * ```
 */
export class Adadelta extends ListOptimizer<AdadeltaSettings> {
  protected static override readonly defaults: AdadeltaSettings = {
    lr: 1,
    rho: 0.9,
    eps: 1e-6,
    weightDecay: 0,
    maximize: false,
  };

  protected override ownChecks({ rho }: AdadeltaSettings): Record<string, boolean> {
    return { [`rho ${rho} (must be in [0, 1])`]: rho >= 0 && rho <= 1 };
  }

  protected override readonly shapedStates = ['square_avg', 'acc_delta'];

  protected override update(batch: Batch, group: ParameterGroup<AdadeltaSettings>): void {
    const { lr, rho, eps, weightDecay } = group;
    batch.countSteps();
    const slopes = batch.decayed(weightDecay);
    const squares = batch.column('square_avg');
    const updates = batch.column('acc_delta');
    foreach.mulNumber_(squares, rho);
    foreach.addcmul_(squares, slopes, slopes, 1 - rho);
    const sizes = foreach.addNumber(squares, eps);
    foreach.sqrt_(sizes);
    const deltas = foreach.addNumber(updates, eps);
    foreach.sqrt_(deltas);
    foreach.div_(deltas, sizes);
    foreach.mul_(deltas, slopes);
    foreach.mulNumber_(updates, rho);
    foreach.addcmul_(updates, deltas, deltas, 1 - rho);
    foreach.add_(batch.parameters, deltas, -lr);
  }
}
