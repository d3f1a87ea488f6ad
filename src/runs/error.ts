import { systemReasons } from '../files/system-reasons.js';

/**
 * Thrown if a run cannot start or continue; the message says why and what to do.
 *
 * @example
 * ```ts
 * try {
 *   await openRun('runs/mine', 'vqgan');
 * } catch (error) {
 *   if (error instanceof RunError) console.error(error.message);
 * }
 * ```
 */
export class RunError extends Error {
  /** Name of the class, for programs that only see the name. */
  override name = 'RunError';
}

/**
 * Thrown if a training run produces NaN or infinity.
 *
 * @example
 * ```ts
 * const trainer = await VqganTrainer.resume('runs/mine');
 * try {
 *   for await (const event of trainer.run()) console.log(event.type);
 * } catch (error) {
 *   if (error instanceof NonFiniteError) console.error(error.message); // names the last good checkpoint
 * }
 * ```
 */
export class NonFiniteError extends RunError {
  /** Name of the class, for programs that only see the name. */
  override name = 'NonFiniteError';
}

/** Error codes of file systems for operations that they do not support at all. */
const unsupported = new Set('ENOSYS ENOTSUP EOPNOTSUPP EXDEV EINVAL'.split(' '));

/** Error codes that a run's place causes; ENOENT is not one, as a recursive mkdir reports it whatever the reason. */
const placeErrors = new Set('ENOSPC EDQUOT EROFS EACCES EPERM EIO ENOTDIR ENAMETOOLONG ELOOP'.split(' '));

/** Explains a system error on writing into a run; returns other errors unchanged. */
export function writeError(path: string, error: unknown, wayOut: string): unknown {
  const { code = '', syscall = 'that' } = (error ?? {}) as NodeJS.ErrnoException;
  const reason = unsupported.has(code)
    ? `its file system does not support this operation (${syscall}: ${code}); use a folder on another file system`
    : placeErrors.has(code) && systemReasons[code];
  return reason ? new RunError(`${path}: ${reason}. ${wayOut}`, { cause: error }) : error;
}

/** Returns a handler for `catch` that throws what `writeError` returns. */
export function unwritten(path: string, wayOut: string): (error: unknown) => never {
  return (error) => {
    throw writeError(path, error, wayOut);
  };
}
