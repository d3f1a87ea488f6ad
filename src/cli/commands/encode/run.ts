/** Implements `tessera-torch encode`. Loads libtorch. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { DataConfig } from '../../../data/settings.js';
import { recoverPath, shownPath } from '../../../files/file-names.js';
import { withLock } from '../../../files/lock.js';
import { unwritten } from '../../../runs/error.js';
import { checkTakesFiles, encodePictures } from '../../../tokenizer/encode-pictures.js';
import { checkFit, type FitOptions } from '../../../tokenizer/fit.js';
import type { ImageTokenizer } from '../../../tokenizer/image-tokenizer.js';
import { inBatches } from '../../../tokenizer/in-batches.js';
import { SHARD, type ShardEntry } from '../../../tokenizer/manifest.js';
import { checkSequence } from '../../../tokenizer/sequence.js';
import { tilingOf } from '../../../tokenizer/tiles.js';
import { imagePaths, UniqueNames } from '../../image-paths.js';
import { interruptSignal } from '../../interrupt.js';
import { LeftOut } from '../../left-out.js';
import { openTokenizer } from '../../open-tokenizer.js';
import { UsageError } from '../../usage-error.js';
import type { EncodeFlags } from './command.js';
import { Manifest } from './manifest.js';
import { Progress } from './progress.js';
import { writeOne, writeShard, type EncodedFile } from './shards.js';
import { checkViews, viewedImages, viewsOf, wholeImages, type EncodeSource } from './sources.js';

export async function encode(run: string, paths: string[], flags: EncodeFlags): Promise<void> {
  const leftOut = new LeftOut(flags.json ?? false);
  if (flags.to === 'safetensors' && flags.markers) {
    throw new UsageError(
      '--markers make flat sequences, for --to jsonl or npy; --to safetensors writes grids of ids',
    );
  }
  if (flags.template && flags.to !== 'jsonl') {
    throw new UsageError('--template adds text, which only --to jsonl holds');
  }
  const views = viewsOf(flags);
  const files = views ? [] : await imagePaths(paths, leftOut, { lists: true });
  if (files.length === 0 && !views) throw leftOut.nothingElse();
  const { out } = flags;
  const fit = fitOf(flags);
  let trained: Partial<DataConfig> = {};
  using tokenizer = await openTokenizer(run, flags, (facts, data) => {
    checkTakesFiles(facts);
    checkFit(fit, facts);
    checkSequence(flags, facts.nCodes);
    tilingOf(flags, facts.stride);
    checkViews(paths, flags, facts);
    trained = data;
  });
  const { size = tokenizer.size } = flags;
  const { channels } = tokenizer;
  const source = views
    ? await viewedImages(await recoverPath(paths[0]!), views, { size, channels }, trained)
    : wholeImages(files, tokenizer, fit);
  for (const { path, reason } of source.skipped) await leftOut.add(path, reason);
  await mkdir(out, { recursive: true }).catch(unwritten(out, 'Name another place with --out.'));
  const work = async () => {
    const manifest = await Manifest.open(out, {
      settings: settingsOf(flags, tokenizer),
      model: tokenizer.fingerprint(),
      ...(await source.origin()),
    });
    await new Encoding(flags, tokenizer, source, leftOut).run(manifest);
  };
  const onWait = (holder: string) => {
    process.stderr.write(`waiting for ${holder}, which is writing to ${shownPath(out)}\n`);
  };
  try {
    await withLock(join(out, '.lock'), work, { signal: interruptSignal(), onWait });
  } finally {
    await source.close();
  }
  leftOut.tell();
}

/** Images of a shard: the views of those that were encoded, by position in the shard, and the others. */
interface EncodedShard {
  rows: Map<number, EncodedFile>;
  leftOut: NonNullable<ShardEntry['leftOut']>;
}

/** Encodes the views of images, shard by shard. */
class Encoding {
  readonly #flags: EncodeFlags;
  readonly #tokenizer: ImageTokenizer;
  readonly #source: EncodeSource;
  readonly #leftOut: LeftOut;
  readonly #progress: Progress;
  /** Names of the arrays of single images, which depend only on the list; null if there are none. */
  readonly #names: readonly string[] | null;
  readonly #signal = interruptSignal();

  constructor(flags: EncodeFlags, tokenizer: ImageTokenizer, source: EncodeSource, leftOut: LeftOut) {
    this.#flags = flags;
    this.#tokenizer = tokenizer;
    this.#source = source;
    this.#leftOut = leftOut;
    const unique = new UniqueNames('.npy');
    const single = flags.to === 'npy' && flags.shard === undefined && flags.views === undefined;
    const { length } = source;
    this.#names = single ? Array.from({ length }, (_, i) => unique.of(source.name(i))) : null;
    this.#progress = new Progress(flags, length);
  }

  /** Encodes the shards that are not whole. @throws Error if no image can be used */
  async run(manifest: Manifest): Promise<void> {
    const { shard: size = SHARD, out } = this.#flags;
    const { length, views } = this.#source;
    const progress = this.#progress;
    for (let first = 0; first < length; first += size) {
      const shard = first / size;
      const count = Math.min(size, length - first);
      const kept = await manifest.whole(shard);
      if (kept) {
        for (const { file, reason } of kept.leftOut ?? []) await this.#leaveOut(file, reason);
        progress.finish(count, kept, true);
        continue;
      }
      const { rows, leftOut } = await this.#encode(first, count);
      const written = await this.#write(shard, first, rows);
      const images = rows.size / views;
      const entry = { images, files: written, ...(leftOut.length > 0 && { leftOut }) };
      progress.finish(count, await manifest.add(shard, entry), false);
    }
    if (progress.images === 0) throw this.#leftOut.nothingElse();
    progress.end(out);
  }

  /** Encodes `count` images from `first` on. */
  async #encode(first: number, count: number): Promise<EncodedShard> {
    const tokenizer = this.#tokenizer;
    const source = this.#source;
    const { views } = source;
    const rows = new Map<number, EncodedFile>();
    const leftOut: EncodedShard['leftOut'] = [];
    const place = (row: number) => ({ image: first + Math.floor(row / views), view: row % views });
    const read = (row: number) => source.read(place(row).image, place(row).view);
    for await (const { indices, pictures, error } of inBatches(count * views, read, this.#flags.batch)) {
      this.#signal.throwIfAborted();
      if (error) {
        const { image, view } = place(indices[0]!);
        const file = source.name(image);
        if (view > 0) continue;
        leftOut.push({ file, reason: error.reason });
        await this.#leaveOut(file, error.reason);
      } else {
        for (const [i, ids] of (await encodePictures(tokenizer, pictures, this.#flags)).entries()) {
          const [at, { size }] = [indices[i]!, pictures[i]!];
          const values = Int32Array.from(ids.toTypedArray() as BigInt64Array, Number);
          const grid = ids.shape.slice(1) as [number, number];
          const { image, view } = place(at);
          const record = source.record(image);
          const viewed = record && { viewed: { view, record } };
          rows.set(at, { file: source.name(image), grid, size, ids: values, ...viewed });
          ids.dispose();
        }
      }
      this.#progress.advance(error ? 1 : indices.length / views);
      // Encoding is synchronous: a signal such as Ctrl-C needs a turn of the event loop.
      await new Promise(setImmediate);
    }
    this.#signal.throwIfAborted();
    return { rows: new Map([...rows].sort(([a], [b]) => a - b)), leftOut };
  }

  /** Writes a shard, or one array per image, and returns the names of the files. */
  async #write(shard: number, first: number, rows: ReadonlyMap<number, EncodedFile>): Promise<string[]> {
    const { out } = this.#flags;
    const options = { ...this.#flags, stride: this.#tokenizer.stride };
    if (!this.#names) {
      return writeShard(out, `tokens-${String(shard).padStart(5, '0')}`, [...rows.values()], options);
    }
    const names: string[] = [];
    for (const [i, image] of rows) {
      this.#signal.throwIfAborted();
      const name = this.#names[first + i]!;
      await writeOne(join(out, name), image, options);
      names.push(name);
    }
    return names;
  }

  async #leaveOut(file: string, reason: string): Promise<void> {
    this.#progress.clear();
    await this.#leftOut.add(file, reason);
  }
}

/** Returns the options of fitting images. */
function fitOf({ size, square = false, fit, padding }: EncodeFlags): FitOptions {
  return { ...(size !== undefined && { size }), square, fit, padding };
}

/** Returns the flags on which the content of the token files depends. */
function settingsOf(flags: EncodeFlags, { size, device }: ImageTokenizer): Record<string, unknown> {
  const { markers, tile, overlap, template } = flags;
  const views = viewsOf(flags);
  return {
    '--to': flags.to,
    '--shard': flags.shard ?? null,
    '--size': flags.size ?? size,
    '--square': flags.square ?? false,
    '--fit': flags.fit,
    '--padding': flags.padding,
    '--offset': flags.offset,
    '--markers': markers ? [markers.begin, markers.row, markers.end] : null,
    '--batch': flags.batch,
    ...(template && { '--template': template }),
    ...(views && {
      '--views': views.count,
      '--crop': views.crop,
      '--flip': views.flip,
      '--seed': views.seed,
    }),
    ...(tile !== undefined && { '--tile': tile, '--overlap': overlap ?? null }),
    '--precision': flags.precision,
    '--device': device.replace(/:\d+$/, ''),
  };
}
