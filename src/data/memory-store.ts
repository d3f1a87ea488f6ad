import type { MapKinds } from './example.js';
import type { PictureStore } from './image-source.js';
import type { Picture } from './picture.js';

export interface MemoryItem extends Picture {
  name: string;
  hash: string;
  label?: number;
}

/** Pictures that were made on the spot and are kept in memory. */
export class MemoryStore implements PictureStore {
  readonly classes: readonly string[];
  readonly maps: MapKinds;
  #items: readonly MemoryItem[];

  constructor(items: readonly MemoryItem[], classes: readonly string[] = [], maps: MapKinds = {}) {
    this.#items = items;
    this.classes = classes;
    this.maps = maps;
  }

  get length(): number {
    return this.#items.length;
  }

  name(index: number): string {
    return this.load(index).name;
  }

  label(index: number): number | undefined {
    return this.load(index).label;
  }

  hash(index: number): string {
    return this.load(index).hash;
  }

  load(index: number): MemoryItem {
    const item = this.#items[index];
    if (item === undefined) throw new RangeError(`picture ${index} of ${this.length}`);
    return item;
  }

  async close(): Promise<void> {
    this.#items = [];
  }
}
