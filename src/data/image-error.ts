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
