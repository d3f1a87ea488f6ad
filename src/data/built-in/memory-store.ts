import { itemAt } from '../checks.js';
import type { MapKinds } from '../fields/example.js';
import type { PictureStore } from '../image-source.js';
import type { LayoutKind } from '../fields/layout.js';
import type { Picture } from '../pictures/picture.js';

export interface MemoryItem extends Picture {
  name: string;
  hash: string;
  label?: number;
}

/** Images that are kept in memory, such as generated ones. */
export class MemoryStore implements PictureStore {
  readonly classes: readonly string[];
  readonly maps: MapKinds;
  readonly layout: LayoutKind | null;
  #items: readonly MemoryItem[];

  /** Images with the names of their classes, the kinds of their maps, and the names of their objects' classes. */
  constructor(
    items: readonly MemoryItem[],
    classes: readonly string[] = [],
    maps: MapKinds = {},
    objectClasses: readonly string[] | null = null,
  ) {
    this.#items = items;
    this.classes = classes;
    this.maps = maps;
    const most = items.reduce((sum, { objects = [] }) => Math.max(sum, objects.length), 1);
    this.layout = objectClasses && { classes: objectClasses, most };
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

  sides(index: number): { width: number; height: number } {
    return this.load(index);
  }

  load(index: number): MemoryItem {
    return itemAt(this.#items, index);
  }

  async close(): Promise<void> {
    this.#items = [];
  }
}
