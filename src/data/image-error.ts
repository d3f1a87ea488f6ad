import { shownPath } from '../files/file-names.js';

/**
 * A folder or a picture that cannot be used; the message names the path, the reason and the way out.
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
  /** The class's name, for programs that see only that. */
  override name = 'ImageDataError';
  /** The file or folder that is wrong. */
  readonly path: string;
  /** The message without the path. */
  readonly reason: string;

  constructor(path: string, reason: string, options?: ErrorOptions) {
    super(`${shownPath(path)}: ${reason}`, options);
    this.path = path;
    this.reason = reason;
  }
}
