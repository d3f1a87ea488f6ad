/** Classes of images that are labelled one by one. */
import type { ImageDataError } from '../image-error.js';

/** Most classes that numbers may name: a wrong number would otherwise make as many of them. */
const mostNumbers = 1_000_000;

/** Collects the labels of images, numbers or names, and makes classes of them. */
export class ClassNames {
  readonly #numbers = new Map<string, number>();
  readonly #labels: number[] = [];

  /** Adds the label of the next image; null for one without. */
  add(label: string | number | null): void {
    if (label === null) {
      this.#labels.push(-1);
      return;
    }
    const text = String(label);
    const number = this.#numbers.get(text) ?? this.#numbers.size;
    this.#numbers.set(text, number);
    this.#labels.push(number);
  }

  /**
   * Returns the class of each image and the names of the classes. If all labels are whole numbers, these are the
   * classes, from 0 to the largest; else the names are sorted. `given` are names in an order of its own.
   * @throws ImageDataError that names the first image without a label or with an unknown one, which `errorAt` makes
   */
  settle(
    errorAt: (image: number, reason: string) => ImageDataError,
    given?: readonly string[],
  ): { labels: number[]; classes: string[] } {
    if (this.#numbers.size === 0) return { labels: [], classes: [] };
    const without = this.#labels.indexOf(-1);
    if (without >= 0) throw errorAt(without, 'has no label, but others have one');
    const texts = [...this.#numbers.keys()];
    const classes = given ? [...given] : namesOf(texts);
    const known = new Map(classes.map((name, i) => [name, i]));
    const places = texts.map((text) => known.get(text) ?? (given && isNumber(text) ? Number(text) : -1));
    const unknown = places.findIndex((place) => place < 0 || place >= classes.length);
    if (unknown >= 0) {
      const names = classes.length > 12 ? `${classes.length} classes` : classes.join(', ');
      throw errorAt(
        this.#labels.indexOf(unknown),
        `has the label "${texts[unknown]}", expected one of: ${names}`,
      );
    }
    return { labels: this.#labels.map((number) => places[number] as number), classes };
  }
}

const isNumber = (text: string) => /^(0|[1-9]\d*)$/.test(text);

function namesOf(texts: readonly string[]): string[] {
  if (!texts.every(isNumber)) return texts.toSorted();
  const largest = texts.reduce((most, text) => Math.max(most, Number(text)), 0);
  if (largest >= mostNumbers) return texts.toSorted((a, b) => Number(a) - Number(b));
  return Array.from({ length: largest + 1 }, (_, i) => String(i));
}
