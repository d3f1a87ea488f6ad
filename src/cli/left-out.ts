/** Reports images that cannot be used while the work on the others goes on. */
import { shownPath } from '../files/file-names.js';
import { ImageDataError } from '../data/image-error.js';
import { paint } from './terminal.js';

/** Prints each image that is left out at once; the work goes on and ends with exit code 1. */
export class LeftOut {
  readonly #json: boolean;
  #errors: ImageDataError[] = [];

  constructor(json: boolean) {
    this.#json = json;
  }

  /** Number of images that were left out. */
  get count(): number {
    return this.#errors.length;
  }

  /** Entry for a recipe; empty if no image was left out. */
  get record(): { leftOut?: { file: string; reason: string }[] } {
    if (this.count === 0) return {};
    return { leftOut: this.#errors.map(({ path, reason }) => ({ file: path, reason })) };
  }

  /** Runs the work on an image and returns its result; null if the image cannot be used. */
  async unless<T>(file: string, work: () => Promise<T>): Promise<T | null> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof ImageDataError)) throw error;
      this.#errors.push(error);
      const { reason } = error;
      if (this.#json) process.stdout.write(`${JSON.stringify({ file, leftOut: reason })}\n`);
      else
        process.stderr.write(
          `${paint('yellow', 'left out', process.stderr)} ${shownPath(file)}: ${reason}\n`,
        );
      return null;
    }
  }

  /** Prints an image that cannot be used, and why. */
  async add(file: string, reason: string): Promise<void> {
    await this.unless(file, () => Promise.reject(new ImageDataError(file, reason)));
  }

  /** Returns the error for the case that no image can be used. */
  nothingElse(): Error {
    const [first] = this.#errors;
    return this.#errors.length === 1 && first
      ? first
      : new Error(`none of the ${this.count} images can be used`);
  }

  /** Prints the number of images that were left out, if any, and sets the exit code to 1. */
  tell(): void {
    if (this.count === 0) return;
    process.exitCode = 1;
    process.stderr.write(`${this.count} of the images could not be used; the others are done\n`);
  }
}
