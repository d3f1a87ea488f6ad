import { TorchError } from '../core/errors.js';

/** Problems that a checkpoint file can have; the messages name the byte or the entry. */
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
 * A checkpoint that cannot be read or written; `problem` says which kind of error it is.
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
  /** The kind of error, for programs. */
  readonly problem: CheckpointProblem;

  constructor(problem: CheckpointProblem, message: string, options: ErrorOptions = {}) {
    super(message, options);
    this.problem = problem;
  }
}

/** Throws a {@link CheckpointError}. */
export function fail(problem: CheckpointProblem, message: string, cause?: unknown): never {
  throw new CheckpointError(problem, message, cause === undefined ? {} : { cause });
}
