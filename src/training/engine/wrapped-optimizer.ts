import type { GradScaler } from '../../torch/amp/index.js';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import type { StepOptimizer } from './step-optimizer.js';

/** Optimizer that {@link WrappedOptimizer} can wrap, as all of `optim` are. */
export interface WrappableOptimizer extends StepOptimizer {
  readonly paramGroups: readonly { params: Tensor[] }[];
}

/**
 * An optimizer for training steps that wraps another one of the same parameters; a subclass adds work before each step.
 *
 * @example
 * ```ts
 * class NegatedOptimizer extends WrappedOptimizer {
 *   constructor(optimizer: WrappableOptimizer) {
 *     super(optimizer, 'a negated optimizer', 'make one in each thread');
 *   }
 *   step(): void {
 *     for (const { grad } of this.parameters) grad?.neg_();
 *     this.optimizer.step();
 *   }
 * }
 * ```
 */
export abstract class WrappedOptimizer<O extends WrappableOptimizer = WrappableOptimizer>
  extends torch.InThread
  implements StepOptimizer
{
  protected readonly optimizer: O;

  /** @param what such as `a clipped optimizer` @param instead what to do instead of sending it to another thread */
  protected constructor(optimizer: O, what: string, instead: string) {
    super(what, instead);
    this.optimizer = optimizer;
  }

  /** Parameters of all groups. */
  protected get parameters(): Tensor[] {
    return this.optimizer.paramGroups.flatMap(({ params }) => params);
  }

  get paramGroups(): WrappableOptimizer['paramGroups'] {
    return this.optimizer.paramGroups;
  }

  /** Scaler of the losses whose gradients the optimizer takes. */
  get scaler(): GradScaler | null {
    return this.optimizer.scaler ?? null;
  }

  /** Drops all gradients. */
  zeroGrad(): void {
    this.optimizer.zeroGrad();
  }

  /** Updates the parameters. */
  abstract step(): void;

  /** Copies the learning rates of a `capturable` optimizer to the device. */
  refreshLearningRates(): void {
    this.optimizer.refreshLearningRates?.();
  }
}
