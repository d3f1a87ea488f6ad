import type { Tensor } from '../index.js';
import { ListOptimizer } from './list-optimizer.js';
import type { Batch } from './list-optimizer.js';
import type { ParameterGroup } from './optimizer.js';

export interface ASGDSettings {
  /** Initial learning rate. Default 1e-2. */
  lr: number;
  /**
   * Share of the weights subtracted per unit of learning rate, which also sets how fast the rate decays. Default 1e-4.
   */
  lambd: number;
  /** Power of the learning rate's decay. Default 0.75. */
  alpha: number;
  /** Step at which averaging of the weights starts. Default 1e6. */
  t0: number;
  /** L2 penalty. Default 0. */
  weightDecay: number;
  /** Maximise instead of minimising. Default false. */
  maximize: boolean;
}

/**
 * Gradient descent that also averages the weights, in the state `ax` (Polyak and Juditsky, 1992).
 *
 * @example
 * ```ts
 * const model = new nn.Linear(8, 2);
 * const optimizer = new optim.ASGD(model.parameters(), { lr: 0.1, t0: 1000 });
 * model.forward(torch.randn([4, 8])).square().mean().backward();
 * optimizer.step();
 * const averaged = optimizer.state.get(model.weight)!['ax']!; // [2, 8]
 * ```
 */
export class ASGD extends ListOptimizer<ASGDSettings> {
  protected static override readonly defaults: ASGDSettings = {
    lr: 1e-2,
    lambd: 1e-4,
    alpha: 0.75,
    t0: 1e6,
    weightDecay: 0,
    maximize: false,
  };

  protected override readonly scalarStates = { step: 0, eta: 0, mu: 1 };

  protected override readonly shapedStates = ['ax'];

  protected override firstValue(name: string, settings: ASGDSettings): number {
    return name === 'eta' ? settings.lr : super.firstValue(name, settings);
  }

  protected override update(batch: Batch, group: ParameterGroup<ASGDSettings>): void {
    const { lr, lambd, alpha, t0, weightDecay } = group;
    const steps = batch.countSteps();
    const means = batch.column('ax');
    for (const [i, parameter] of batch.parameters.entries()) {
      const { eta, mu } = batch.states[i] as { eta: Tensor; mu: Tensor };
      const [rate, share] = [eta.item(), mu.item()];
      const gradient = batch.gradients[i]!;
      const slope = weightDecay === 0 ? gradient : gradient.add(parameter, { alpha: weightDecay });
      parameter.mul_(1 - lambd * rate).add_(slope, { alpha: -rate });
      if (share === 1) means[i]!.copy_(parameter);
      else means[i]!.add_(parameter.sub(means[i]!).mul_(share));
      eta.fill_(lr / (1 + lambd * lr * steps[i]!) ** alpha);
      mu.fill_(1 / Math.max(1, steps[i]! - t0));
    }
  }
}
