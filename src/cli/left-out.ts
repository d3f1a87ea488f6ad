/** Pictures that cannot be used, while others can. */
import { shownPath } from '../files/file-names.js';
import { ImageDataError } from '../data/image-error.js';
import { paint } from './terminal.js';

/** Names what is left out as soon as it is found; the work goes on, and its exit code tells. */
export class LeftOut {
  readonly #json: boolean;
  #errors: ImageDataError[] = [];

  constructor(json: boolean) {
    this.#json = json;
  }

  /** How many there are. */
  get count(): number {
    return this.#errors.length;
  }

  /** What a recipe says of them: nothing where there are none. */
  get record(): { leftOut?: { file: string; reason: string }[] } {
    if (this.count === 0) return {};
    return { leftOut: this.#errors.map(({ path, reason }) => ({ file: path, reason })) };
  }

  /** The outcome of the work on a picture, or null where the picture cannot be used. */
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

  /** The error where nothing was left to work on. */
  nothingElse(): Error {
    const [first] = this.#errors;
    return this.#errors.length === 1 && first
      ? first
      : new Error(`none of the ${this.count} pictures can be used`);
  }

  /** Says at the end how many there are, with an exit code of 1. */
  tell(): void {
    if (this.count === 0) return;
    process.exitCode = 1;
    process.stderr.write(`${this.count} of the pictures could not be used; the others are done\n`);
  }
}
