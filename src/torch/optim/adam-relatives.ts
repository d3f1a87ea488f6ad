import type { Tensor } from '../index.js';
import * as foreach from './foreach.js';
import { ListOptimizer } from './list-optimizer.js';
import type { Batch } from './list-optimizer.js';
import type { ParameterGroup } from './optimizer.js';

export interface AdamaxSettings {
  /** Learning rate. Default 2e-3 (RAdam: 1e-3). */
  lr: number;
  /** Decay of the means of the gradient and of its magnitude. Default [0.9, 0.999]. */
  betas: readonly [number, number];
  /** Added to the denominator. Default 1e-8. */
  eps: number;
  /** L2 penalty. Default 0. */
  weightDecay: number;
  /** Maximise instead of minimising. Default false. */
  maximize: boolean;
}

export interface RAdamSettings extends AdamaxSettings {
  /** Decay the weights directly, as AdamW does, instead of adding the decay to the gradient. Default false. */
  decoupledWeightDecay: boolean;
}

export interface NAdamSettings extends RAdamSettings {
  /** Rate at which the momentum grows to its full value. Default 4e-3. */
  momentumDecay: number;
}

const common = { betas: [0.9, 0.999] as const, eps: 1e-8, weightDecay: 0, maximize: false };

abstract class AdamRelative<Settings extends AdamaxSettings> extends ListOptimizer<Settings> {
  protected override readonly shapedStates = ['exp_avg', 'exp_avg_sq'];

  protected override requiredState(): readonly string[] {
    return [...super.requiredState(), 'exp_avg'];
  }

  /**
   * Counts a step and updates the running means of the gradients, with weight decay added unless it is decoupled, and
   * of their squares. Returns these four for every parameter.
   */
  protected track(
    batch: Batch,
    group: ParameterGroup<RAdamSettings>,
  ): [number[], Tensor[], Tensor[], Tensor[]] {
    const { lr, betas, weightDecay, decoupledWeightDecay } = group;
    const [beta1, beta2] = betas;
    const steps = batch.countSteps();
    const decoupled = weightDecay !== 0 && decoupledWeightDecay;
    if (decoupled) foreach.mulNumber_(batch.parameters, 1 - lr * weightDecay);
    const slopes = decoupled ? batch.gradients : batch.decayed(weightDecay);
    const [means, squares] = [batch.column('exp_avg'), batch.column('exp_avg_sq')];
    foreach.lerp_(means, slopes, 1 - beta1);
    foreach.mulNumber_(squares, beta2);
    foreach.addcmul_(squares, slopes, slopes, 1 - beta2);
    return [steps, slopes, means, squares];
  }
}

/**
 * NAdam: Adam with Nesterov momentum (Dozat, 2016).
 *
 * @example
 * ```ts
 * const optimizer = new optim.NAdam(new nn.Linear(8, 2).parameters(), { lr: 1e-3, momentumDecay: 4e-3 });
 * ```
 */
export class NAdam extends AdamRelative<NAdamSettings> {
  protected override readonly scalarStates = { step: 0, mu_product: 1 };

  protected static override readonly defaults: NAdamSettings = {
    lr: 2e-3,
    ...common,
    momentumDecay: 4e-3,
    decoupledWeightDecay: false,
  };

  protected override update(batch: Batch, group: ParameterGroup<NAdamSettings>): void {
    const { lr, eps, momentumDecay } = group;
    const [beta1, beta2] = group.betas;
    const [steps, slopes, means, squares] = this.track(batch, group);
    const momentum = (step: number): number => beta1 * (1 - 0.5 * 0.96 ** (step * momentumDecay));
    const products = batch.column('mu_product').map((t, i) => t.mul_(momentum(steps[i] as number)).item());
    const sizes = foreach.divNumbers(
      squares,
      steps.map((step) => 1 - beta2 ** step),
    );
    foreach.sqrt_(sizes);
    foreach.addNumber_(sizes, eps);
    const now = steps.map((step, i) => (-lr * (1 - momentum(step))) / (1 - (products[i] as number)));
    const next = steps.map((step, i) => {
      const mu = momentum(step + 1);
      return (-lr * mu) / (1 - (products[i] as number) * mu);
    });
    foreach.addcdiv_(batch.parameters, slopes, sizes, now);
    foreach.addcdiv_(batch.parameters, means, sizes, next);
  }
}

/**
 * RAdam: Adam with an adaptive step only once the variance of the second moment is known (Liu et al., arXiv
 * 1908.03265).
 *
 * @example
 * ```ts
 * const optimizer = new optim.RAdam(new nn.Linear(8, 2).parameters(), {
 *   weightDecay: 0.01,
 *   decoupledWeightDecay: true,
 * });
 * ```
 */
export class RAdam extends AdamRelative<RAdamSettings> {
  protected static override readonly defaults: RAdamSettings = {
    lr: 1e-3,
    ...common,
    decoupledWeightDecay: false,
  };

  protected override update(batch: Batch, group: ParameterGroup<RAdamSettings>): void {
    const { lr, eps } = group;
    const [beta1, beta2] = group.betas;
    const [steps, , means, squares] = this.track(batch, group);
    const longest = 2 / (1 - beta2) - 1;
    for (const [i, step] of steps.entries()) {
      const parameter = batch.parameters[i] as Tensor;
      const mean = (means[i] as Tensor).div(1 - beta1 ** step);
      const correction = 1 - beta2 ** step;
      const length = longest - (2 * step * beta2 ** step) / correction;
      if (length > 5) {
        const rectified = Math.sqrt(
          ((length - 4) * (length - 2) * longest) / ((longest - 4) * (longest - 2) * length),
        );
        const size = (squares[i] as Tensor).sqrt().add_(eps);
        parameter.addcdiv_(mean, size, { value: -lr * Math.sqrt(correction) * rectified });
      } else {
        parameter.add_(mean, { alpha: -lr });
      }
    }
  }
}

/**
 * Adamax: Adam with the largest decayed gradient instead of the root mean square (Kingma and Ba, arXiv 1412.6980, 7.1).
 *
 * @example
 * ```ts
 * const optimizer = new optim.Adamax(new nn.Linear(8, 2).parameters(), { betas: [0.9, 0.99] });
 * ```
 */
export class Adamax extends AdamRelative<AdamaxSettings> {
  protected static override readonly defaults: AdamaxSettings = { lr: 2e-3, ...common };

  protected override readonly shapedStates = ['exp_avg', 'exp_inf'];

  protected override update(batch: Batch, group: ParameterGroup<AdamaxSettings>): void {
    const { lr, eps, weightDecay } = group;
    const [beta1, beta2] = group.betas;
    const rates = batch.countSteps().map((step) => -lr / (1 - beta1 ** step));
    const slopes = batch.decayed(weightDecay);
    const means = batch.column('exp_avg');
    const largest = batch.column('exp_inf');
    foreach.lerp_(means, slopes, 1 - beta1);
    foreach.mulNumber_(largest, beta2);
    const sizes = foreach.abs(slopes);
    foreach.addNumber_(sizes, eps);
    foreach.maximum_(largest, sizes);
    foreach.addcdiv_(batch.parameters, means, largest, rates);
  }
}

export type { AdamRelative };
