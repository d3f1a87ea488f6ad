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
const unsupported = ['ENOSYS', 'ENOTSUP', 'EOPNOTSUPP', 'EXDEV', 'EINVAL'] as const;

function unable(error: unknown, code: string): string {
  const call = (error as NodeJS.ErrnoException | null)?.syscall ?? 'that';
  return `its file system does not support this operation (${call}: ${code}); use a folder on another file system`;
}

/** Explains a system error on writing into a run; returns other errors unchanged. */
export function writeError(path: string, error: unknown, wayOut: string): unknown {
  const code = (error as NodeJS.ErrnoException | null)?.code ?? '';
  const reason = {
    ENOSPC: 'no space is left on the disk',
    EDQUOT: 'the disk quota is used up',
    EROFS: 'the file system is read-only',
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    EIO: 'the disk reports an error',
    ENOTDIR: 'part of the path is a file, not a folder',
    ENAMETOOLONG: 'the name is too long',
    ELOOP: 'the symbolic links form a cycle',
    ...Object.fromEntries(unsupported.map((name) => [name, unable(error, name)])),
  }[code];
  return reason === undefined ? error : new RunError(`${path}: ${reason}. ${wayOut}`, { cause: error });
}
