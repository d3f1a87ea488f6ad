import * as torch from '../index.js';
import * as foreach from './foreach.js';
import { layoutOf } from './layout.js';
import type { Layout } from './layout.js';
import { ListOptimizer } from './list-optimizer.js';
import type { Batch } from './list-optimizer.js';
import type { GroupOf, Optimized, ParameterGroup } from './optimizer.js';

export interface AdagradSettings {
  /** Learning rate. Default 1e-2. */
  lr: number;
  /** The learning rate is divided by 1 + steps · lrDecay. Default 0. */
  lrDecay: number;
  /** Added to the denominator. Default 1e-10. */
  eps: number;
  /** L2 penalty. Default 0. */
  weightDecay: number;
  /** Initial value of the sums of squares. Default 0. */
  initialAccumulatorValue: number;
  /** Maximise instead of minimising. Default false. */
  maximize: boolean;
}

// c10/core/DeviceType.h
const CPU = 0;

/**
 * Adagrad: gradient divided by the root of the sum of its squares (Duchi, Hazan and Singer, 2011).
 *
 * @example
 * ```ts
 * const optimizer = new optim.Adagrad(new nn.Linear(8, 2).parameters(), { lr: 0.1, lrDecay: 1e-4 });
 * ```
 */
export class Adagrad extends ListOptimizer<AdagradSettings> {
  protected static override readonly defaults: AdagradSettings = {
    lr: 1e-2,
    lrDecay: 0,
    eps: 1e-10,
    weightDecay: 0,
    initialAccumulatorValue: 0,
    maximize: false,
  };

  constructor(params: Optimized<AdagradSettings>, options: Partial<AdagradSettings> = {}) {
    super(params, options);
    // As in PyTorch, the state exists before the first step, and for parameters without a gradient too.
    torch.noGrad(() => {
      for (const group of this.paramGroups) this.#prepare(group);
    });
  }

  override addParamGroup(group: GroupOf<AdagradSettings>): void {
    super.addParamGroup(group);
    // The base constructor adds groups before this object is complete; the constructor here handles those itself.
    if (#prepare in this) torch.noGrad(() => this.#prepare(this.paramGroups.at(-1)!));
  }

  #prepare(group: ParameterGroup<AdagradSettings>): void {
    for (const parameter of group.params) this.stateOf(parameter, layoutOf(parameter), group);
  }

  protected override ownChecks(settings: AdagradSettings): Record<string, boolean> {
    const { lrDecay, initialAccumulatorValue: start } = settings;
    return {
      [`lrDecay ${lrDecay} (must be at least 0)`]: lrDecay >= 0,
      [`initialAccumulatorValue ${start} (must be at least 0)`]: start >= 0,
    };
  }

  protected override get torchSettings(): Readonly<Record<string, unknown>> {
    return { foreach: null, differentiable: false, fused: null };
  }

  protected override readonly shapedStates = ['sum'];

  protected override requiredState(): readonly string[] {
    return ['step', 'sum'];
  }

  protected override firstValue(name: string, settings: AdagradSettings): number {
    return name === 'sum' ? settings.initialAccumulatorValue : 0;
  }

  protected override fuses(layout: Layout): boolean {
    return layout[1] === CPU;
  }

  protected override update(batch: Batch, group: ParameterGroup<AdagradSettings>): void {
    const { lr, lrDecay, eps, weightDecay, maximize } = group;
    const sums = batch.column('sum');
    if (batch.fused) {
      const steps = batch.column('step');
      foreach.addNumber_(steps, 1);
      torch.callOperator('aten::_fused_adagrad_', '', [batch.parameters, batch.gradients, sums, steps], {
        lr,
        lr_decay: lrDecay,
        weight_decay: weightDecay,
        eps,
        maximize,
      });
      return;
    }
    const rates = batch.countSteps().map((step) => -lr / (1 + (step - 1) * lrDecay));
    const slopes = batch.decayed(weightDecay);
    foreach.addcmul_(sums, slopes, slopes, 1);
    const sizes = foreach.sqrt(sums);
    foreach.addNumber_(sizes, eps);
    foreach.addcdiv_(batch.parameters, slopes, sizes, rates);
  }
}
