/** An item that is read before it is used. */
export interface Ahead<Item, Result> {
  item: Item;
  result: Promise<Result>;
  /** True if the result has arrived or has failed. */
  ready: boolean;
}

/**
 * Reads items in order, up to `depth` items ahead of the current one. An error is thrown when its result is awaited.
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

  /** Returns the next item with its pending result; undefined after the last, or if closed. */
  next(): Ahead<Item, Result> | undefined {
    const next = this.#queue.shift();
    if (next) this.#fill();
    return next;
  }

  /** Starts no further reads; returns the items whose reads have started but that were not requested. */
  close(): Ahead<Item, Result>[] {
    this.#ended = true;
    return this.#queue.splice(0);
  }

  /** Starts reads until the next item and `depth` further ones are pending. */
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
