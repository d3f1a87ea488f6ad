import type { GradScaler } from '../../torch/amp/index.js';

/** Optimizer interface that a training step needs. */
export interface StepOptimizer {
  zeroGrad(): void;
  step(): void;
  /**
   * Called before the last backward of a step, if something is to be done with each gradient as soon as that backward has
   * added to it; see `DataParallelOptimizer`. From then until `step` gradients must be left alone.
   */
  prepareForBackward?(): void;
  /** Called after each part of an accumulated step, if gradients are to be summed elsewhere; see `MasterWeights`. */
  gather?(): void;
  /** The scaler by which it unscales its gradients: a training step scales the losses with it. Default: none. */
  readonly scaler?: GradScaler | null;
  /** Its settings, which are baked into a recorded step. */
  readonly paramGroups?: readonly object[];
  /** For recorded steps: copies the learning rates to the device; see `optim.Adam`. */
  refreshLearningRates?(): void;
}
