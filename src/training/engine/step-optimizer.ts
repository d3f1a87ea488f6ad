/** Optimizer interface that a training step needs. */
export interface StepOptimizer {
  zeroGrad(): void;
  step(): void;
  /** Called after each part of an accumulated step, if gradients are to be summed elsewhere; see `MasterWeights`. */
  gather?(): void;
  /** Its settings, which are baked into a recorded step. */
  readonly paramGroups?: readonly object[];
  /** For recorded steps: copies the learning rates to the device; see `optim.Adam`. */
  refreshLearningRates?(): void;
}
