import * as torch from '../index.js';
import type { Tensor } from '../index.js';
import * as foreach from './foreach.js';
import type { Layout } from './layout.js';
import { ListOptimizer } from './list-optimizer.js';
import type { Batch } from './list-optimizer.js';
import type { ParameterGroup } from './optimizer.js';

export interface SGDSettings {
  /** Learning rate. Default 1e-3. */
  lr: number;
  /** Share of the previous update that is kept. Default 0. */
  momentum: number;
  /** Share of the gradient left out of the momentum. Default 0. */
  dampening: number;
  /** L2 penalty. Default 0. */
  weightDecay: number;
  /** Nesterov momentum (Sutskever et al., 2013); needs momentum and no dampening. Default false. */
  nesterov: boolean;
  /** Maximise instead of minimising. Default false. */
  maximize: boolean;
}

/**
 * Stochastic gradient descent, optionally with momentum.
 *
 * @example
 * ```ts
 * const weights = torch.tensor([1, 2], { requiresGrad: true });
 * const optimizer = new optim.SGD([weights], { lr: 0.1, momentum: 0.9 });
 * weights.square().sum().backward();
 * optimizer.step(); // weights are [0.8, 1.6]: gradients 2 and 4
 * ```
 */
export class SGD extends ListOptimizer<SGDSettings> {
  protected static override readonly defaults: SGDSettings = {
    lr: 1e-3,
    momentum: 0,
    dampening: 0,
    weightDecay: 0,
    nesterov: false,
    maximize: false,
  };

  // The momentum's first value is the first gradient, so no step count is needed.
  protected override readonly scalarStates = {};

  protected override ownChecks({ momentum, dampening, nesterov }: SGDSettings): Record<string, boolean> {
    const fits = !nesterov || (momentum > 0 && dampening === 0);
    return { 'nesterov (needs momentum above 0 and dampening 0)': fits };
  }

  protected override get torchSettings(): Readonly<Record<string, unknown>> {
    return { foreach: null, differentiable: false, fused: null };
  }

  protected override fuses(_layout: Layout): boolean {
    return true;
  }

  protected override kind(parameter: Tensor): string {
    return this.state.get(parameter)?.['momentum_buffer'] === undefined ? 'first' : '';
  }

  protected override update(batch: Batch, group: ParameterGroup<SGDSettings>): void {
    const { lr, momentum, dampening, weightDecay, nesterov, maximize } = group;
    const first = momentum !== 0 && batch.states.some((state) => state['momentum_buffer'] === undefined);
    if (first) {
      for (const [i, state] of batch.states.entries()) {
        state['momentum_buffer'] = torch.keep((batch.owners[i] as Tensor).zerosLike());
      }
    }
    const buffers = momentum === 0 ? [] : batch.column('momentum_buffer');
    if (batch.fused) {
      torch.callOperator('aten::_fused_sgd_', '', [batch.parameters, batch.gradients, buffers], {
        weight_decay: weightDecay,
        momentum,
        lr,
        dampening,
        nesterov,
        maximize,
        is_first_step: first,
      });
      return;
    }
    let slopes = batch.decayed(weightDecay);
    if (momentum !== 0) {
      foreach.mulNumber_(buffers, momentum);
      foreach.add_(buffers, slopes, first ? 1 : 1 - dampening);
      slopes = nesterov ? foreach.add(slopes, buffers, momentum) : buffers;
    }
    foreach.add_(batch.parameters, slopes, -lr);
  }
}
