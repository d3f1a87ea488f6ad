import { shownPath } from '../files/file-names.js';

/**
 * Thrown if a folder or an image cannot be used; the message names the path, the reason and what to do.
 *
 * @example
 * ```ts
 * try {
 *   await openImages({ path: 'photos', size: 64 });
 * } catch (error) {
 *   if (error instanceof ImageDataError) console.error(error.message);
 * }
 * ```
 */
export class ImageDataError extends Error {
  /** Name of the class, for programs that only see the name. */
  override name = 'ImageDataError';
  /** The file or folder that cannot be used. */
  readonly path: string;
  /** The message without the path. */
  readonly reason: string;

  constructor(path: string, reason: string, options?: ErrorOptions) {
    super(`${shownPath(path)}: ${reason}`, options);
    this.path = path;
    this.reason = reason;
  }
}

/** Returns a handler for `catch` that throws why a path cannot be read; `reasons` are those of the codes that it knows. */
export function unreadable(path: string, reasons: Readonly<Record<string, string>> = {}) {
  return (cause: Error & { code?: string | undefined }): never => {
    const reason = reasons[cause.code ?? ''] ?? `cannot be read (${cause.message})`;
    throw new ImageDataError(path, reason, { cause });
  };
}
