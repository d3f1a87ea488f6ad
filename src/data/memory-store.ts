import { itemAt } from './checks.js';
import type { MapKinds } from './example.js';
import type { PictureStore } from './image-source.js';
import type { Picture } from './picture.js';

export interface MemoryItem extends Picture {
  name: string;
  hash: string;
  label?: number;
}

/** Images that are kept in memory, such as generated ones. */
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
    return itemAt(this.#items, index);
  }

  async close(): Promise<void> {
    this.#items = [];
  }
}
