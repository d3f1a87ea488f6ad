/** Reads the shards of a token set one after the other. */
import { join } from 'node:path';
import { ImageDataError } from '../data/image-error.js';
import { contentHash } from '../data/split.js';
import { exists } from '../files/look.js';
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import { hashOfShard, type ShardEntry } from './manifest.js';
import { readTokens, tokenExtensions, type ReadOptions, type TokenImage } from './read-tokens.js';

/** An image of a token set. */
export interface SetImage {
  name: string;
  label?: number;
  /** Of its file, or of the ids of its first view if that is not recorded. */
  sha256: string;
  heldOut?: true;
}

/** Collects the ids of a set whose grids are all equal. */
export class ShardReader {
  readonly images: SetImage[] = [];
  readonly #path: string;
  readonly #views: number;
  readonly #options: ReadOptions;
  #grid: [number, number] | null = null;
  /** Ids of each shard [rows, h·w], int16 or int32. */
  readonly #shards: Tensor[] = [];
  #largest = 0;

  /** @param settings flags that the set was made with, by which offset and markers are removed */
  constructor(path: string, settings: Readonly<Record<string, unknown>>, views: number) {
    const [begin, row, end] = (settings['--markers'] as number[] | null) ?? [];
    this.#path = path;
    this.#views = views;
    this.#options = {
      offset: (settings['--offset'] as number | undefined) ?? 0,
      ...(end !== undefined && { markers: { begin: begin!, row: row!, end } }),
    };
  }

  get grid(): [number, number] {
    return this.#grid ?? [0, 0];
  }

  /** Reads a shard. @throws ImageDataError that names a file which is missing or has changed, or an image of another grid */
  async add({ files, sha256, images }: ShardEntry): Promise<void> {
    const again = 'repeat the encode command, which writes it again';
    const missing = files.find((name) => !exists(join(this.#path, name)));
    if (missing !== undefined) throw new ImageDataError(join(this.#path, missing), `is missing; ${again}`);
    if ((await hashOfShard(this.#path, files)) !== sha256) {
      const [first = '', ...others] = files;
      const shown = others.length > 3 ? [`${others.length} more files of its shard`] : others;
      const or = shown.map((name) => ` or ${name}`).join('');
      throw new ImageDataError(
        join(this.#path, first),
        `${or && `this${or} `}has changed since it was written; ${again}`,
      );
    }
    const read: TokenImage[] = [];
    for (const name of files.filter((file) => tokenExtensions.some((end) => file.endsWith(end)))) {
      for await (const one of readTokens(join(this.#path, name), this.#options)) {
        this.#checkGrid(one);
        read.push(one);
      }
    }
    if (read.length !== images * this.#views) {
      throw new ImageDataError(
        join(this.#path, files[0] ?? ''),
        `has ${read.length} rows of ids, expected ${this.#views} for each of ${images} images; encode them again`,
      );
    }
    if (read.length > 0) this.#keep(read);
  }

  /** Returns the ids of all shards, which the caller owns, and the largest one. */
  all(): { ids: Tensor; largest: number } {
    const ids = torch.scope(() => torch.keep(torch.cat(this.#shards)));
    torch.dispose(this.#shards);
    return { ids, largest: this.#largest };
  }

  #checkGrid({ file, grid }: TokenImage): void {
    this.#grid ??= grid;
    const [height, width] = this.#grid;
    if (grid[0] === height && grid[1] === width) return;
    throw new ImageDataError(
      this.#path,
      `its images have different grids, such as ${height} × ${width} and, of ${file}, ${grid.join(' × ')}: encode them with --views, ` +
        'or with --square',
    );
  }

  #keep(read: readonly TokenImage[]): void {
    const [height, width] = this.grid;
    const length = height * width;
    const rows = new Int32Array(read.length * length);
    for (const [i, { ids }] of read.entries()) rows.set(ids, i * length);
    let largest = 0;
    for (let i = 0; i < rows.length; i++) if (rows[i]! > largest) largest = rows[i]!;
    this.#largest = Math.max(this.#largest, largest);
    this.#shards.push(
      torch.scope(() => {
        const all = torch.fromTypedArray(rows, [read.length, length], { dtype: 'int32' });
        // Half the size: few codebooks have more than 2¹⁵ codes.
        return torch.keep(largest < 2 ** 15 ? all.to('int16') : all);
      }),
    );
    for (let i = 0; i < read.length; i += this.#views) {
      const { file: name, record } = read[i]!;
      const { class: label, sha256, heldOut } = record ?? {};
      this.images.push({
        name,
        ...(label !== undefined && { label }),
        sha256: sha256 ?? contentHash(new Uint8Array(rows.buffer, i * length * 4, length * 4)),
        ...(heldOut && { heldOut }),
      });
    }
  }
}
