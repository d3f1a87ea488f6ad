/** Something being read ahead of its use. */
export interface Ahead<Item, Result> {
  item: Item;
  result: Promise<Result>;
  /** Whether the result is there, or has failed. */
  ready: boolean;
}

/**
 * Reads what belongs to each item in turn, up to `depth` items ahead of the one in use. An error is reported where its
 * result is awaited.
 *
 * @example
 * ```ts
 * const files = new ReadAhead(['a.png', 'b.png'], (path) => readFile(path));
 * for (let next = files.next(); next; next = files.next()) console.log(next.item, await next.result);
 * ```
 */
export class ReadAhead<Item, Result> {
  readonly #items: Iterator<Item>;
  readonly #read: (item: Item) => Promise<Result>;
  readonly #depth: number;
  #queue: Ahead<Item, Result>[] = [];
  #ended = false;

  constructor(items: Iterable<Item>, read: (item: Item) => Promise<Result>, depth = 1) {
    this.#items = items[Symbol.iterator]();
    this.#read = read;
    this.#depth = depth;
    this.#fill();
  }

  /** The next item with its result under way; undefined after the last, or when closed. */
  next(): Ahead<Item, Result> | undefined {
    const next = this.#queue.shift();
    if (next) this.#fill();
    return next;
  }

  /** Begins no further reading, and returns what was begun and not asked for. */
  close(): Ahead<Item, Result>[] {
    this.#ended = true;
    return this.#queue.splice(0);
  }

  /** Keeps one item to give and `depth` further ones under way. */
  #fill(): void {
    while (!this.#ended && this.#queue.length <= this.#depth) {
      const { done, value } = this.#items.next();
      if (done) {
        this.#ended = true;
        return;
      }
      const result = this.#read(value);
      const ahead: Ahead<Item, Result> = { item: value, result, ready: false };
      const settled = () => (ahead.ready = true);
      result.then(settled, settled);
      this.#queue.push(ahead);
    }
  }
}
