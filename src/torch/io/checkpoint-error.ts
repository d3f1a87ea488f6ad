import { TorchError } from '../core/errors.js';

/** What can be wrong with a checkpoint file; the messages name the byte or the entry. */
export type CheckpointProblem =
  | 'not-found'
  | 'unknown-format'
  | 'unsupported-format'
  | 'truncated'
  | 'header-too-small'
  | 'header-too-large'
  | 'header-length'
  | 'header-encoding'
  | 'header-json'
  | 'header-structure'
  | 'duplicate-key'
  | 'metadata'
  | 'dtype'
  | 'shape'
  | 'overflow'
  | 'tensor-size'
  | 'offset'
  | 'incomplete-buffer'
  | 'pickle'
  | 'zip'
  | 'checksum'
  | 'index'
  | 'storage'
  | 'limit'
  | 'closed';

/**
 * A checkpoint that cannot be read or written; `problem` tells the cases apart.
 *
 * @example
 * ```ts
 * try {
 *   await loadCheckpoint('weights.ckpt');
 * } catch (error) {
 *   if (!(error instanceof CheckpointError)) throw error;
 *   console.error(error.problem, error.message);
 * }
 * ```
 */
export class CheckpointError extends TorchError {
  /** What is wrong, as a word that programs can tell apart. */
  readonly problem: CheckpointProblem;

  constructor(problem: CheckpointProblem, message: string, options: ErrorOptions = {}) {
    super(message, options);
    this.problem = problem;
  }
}
