/** What a step needs of an optimizer. */
export interface StepOptimizer {
  zeroGrad(): void;
  step(): void;
  /** Its settings, which a recorded step would keep as they were. */
  readonly paramGroups?: readonly object[];
  /** For recorded steps: brings learning rates to the device; see `optim.Adam`. */
  refreshLearningRates?(): void;
}
