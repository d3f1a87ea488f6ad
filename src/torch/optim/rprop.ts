import * as torch from '../index.js';
import type { Tensor } from '../index.js';
import type { Layout } from './layout.js';
import { ListOptimizer } from './list-optimizer.js';
import type { Batch } from './list-optimizer.js';
import type { ParameterGroup, ParameterState } from './optimizer.js';

export interface RpropSettings {
  /** Initial step size. Default 1e-2. */
  lr: number;
  /** Factors of an element's step size: if its gradient changed sign, and if it kept it. Default [0.5, 1.2]. */
  etas: readonly [number, number];
  /** Smallest and largest step size. Default [1e-6, 50]. */
  stepSizes: readonly [number, number];
  /** Maximise instead of minimising. Default false. */
  maximize: boolean;
}

/**
 * Rprop: steps whose size depends on how often an element's gradient kept its sign, not on its magnitude (Riedmiller
 * and Braun, 1993). For whole batches: the noise of small ones changes signs.
 *
 * @example
 * ```ts
 * const optimizer = new optim.Rprop(new nn.Linear(8, 2).parameters(), { stepSizes: [1e-6, 1] });
 * ```
 */
export class Rprop extends ListOptimizer<RpropSettings> {
  protected static override readonly defaults: RpropSettings = {
    lr: 1e-2,
    etas: [0.5, 1.2],
    stepSizes: [1e-6, 50],
    maximize: false,
  };

  protected override ownChecks({ etas, stepSizes }: RpropSettings): Record<string, boolean> {
    const [minus, plus] = etas;
    return {
      [`etas [${etas.join(', ')}] (one between 0 and 1, one above 1)`]: minus > 0 && minus < 1 && plus > 1,
      [`stepSizes [${stepSizes.join(', ')}] (from small to large)`]:
        stepSizes[0] >= 0 && stepSizes[0] <= stepSizes[1],
    };
  }

  protected override readonly shapedStates = ['prev', 'step_size'];

  protected override firstValue(name: string, settings: RpropSettings): number {
    return name === 'step_size' ? settings.lr : 0;
  }

  protected override stateOf(parameter: Tensor, layout: Layout, settings: RpropSettings): ParameterState {
    const isNew = this.state.get(parameter)?.['step_size'] === undefined;
    const state = super.stateOf(parameter, layout, settings);
    // Imaginary parts are separate numbers with separate step sizes.
    if (isNew && torch.isComplex(parameter.dtype)) state['step_size']!.viewAsReal().fill_(settings.lr);
    return state;
  }

  protected override update(batch: Batch, group: ParameterGroup<RpropSettings>): void {
    const [minus, plus] = group.etas;
    const [smallest, largest] = group.stepSizes;
    batch.countSteps();
    const [before, sizes] = [batch.column('prev'), batch.column('step_size')];
    for (const [i, slope] of batch.gradients.entries()) {
      const agreement = slope.mul(before[i]!);
      const turned = agreement.lt(0);
      const factor = agreement.onesLike().maskedFill_(agreement.gt(0), plus).maskedFill_(turned, minus);
      sizes[i]!.mul_(factor).clamp_(smallest, largest);
      // An element whose gradient changed sign stays where it is, and is tried again from there.
      const kept = slope.maskedFill(turned, 0);
      batch.parameters[i]!.addcmul_(kept.sign(), sizes[i]!, { value: -1 });
      before[i]!.copy_(kept);
    }
  }
}
