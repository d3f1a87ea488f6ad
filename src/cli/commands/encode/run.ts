/** Implements `tessera-torch encode`. Loads libtorch. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ImageDataError } from '../../../data/image-error.js';
import { shownPath } from '../../../files/file-names.js';
import { withLock } from '../../../files/lock.js';
import { unwritten } from '../../../runs/error.js';
import { checkTakesFiles, encodePictures } from '../../../tokenizer/encode-pictures.js';
import { checkFit, readFitted, type FitOptions } from '../../../tokenizer/fit.js';
import type { ImageTokenizer } from '../../../tokenizer/image-tokenizer.js';
import { inBatches } from '../../../tokenizer/in-batches.js';
import { checkSequence } from '../../../tokenizer/sequence.js';
import { tilingOf } from '../../../tokenizer/tiles.js';
import { imagePaths, UniqueNames } from '../../image-paths.js';
import { interruptSignal } from '../../interrupt.js';
import { LeftOut } from '../../left-out.js';
import { openTokenizer } from '../../open-tokenizer.js';
import { UsageError } from '../../usage-error.js';
import type { EncodeFlags } from './command.js';
import { digestOf, Manifest, type ShardEntry } from './manifest.js';
import { Progress } from './progress.js';
import { writeOne, writeShard, type EncodedFile } from './shards.js';

/** Images per shard if --shard is not given; of single arrays, per entry of the manifest. */
const SHARD = 1000;

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
  const files = await imagePaths(paths, leftOut, { lists: true });
  if (files.length === 0) throw leftOut.nothingElse();
  const { out } = flags;
  const fit = fitOf(flags);
  using tokenizer = await openTokenizer(run, flags, (facts) => {
    checkTakesFiles(facts);
    checkFit(fit, facts);
    checkSequence(flags, facts.nCodes);
    tilingOf(flags, facts.stride);
  });
  await mkdir(out, { recursive: true }).catch(unwritten(out, 'Name another place with --out.'));
  const work = async () => {
    const manifest = await Manifest.open(out, {
      settings: settingsOf(flags, tokenizer),
      model: tokenizer.fingerprint(),
      images: await digestOf(files),
    });
    await new Encoding(flags, tokenizer, fit, leftOut, files).run(manifest);
  };
  const onWait = (holder: string) => {
    process.stderr.write(`waiting for ${holder}, which is writing to ${shownPath(out)}\n`);
  };
  await withLock(join(out, '.lock'), work, { signal: interruptSignal(), onWait });
  leftOut.tell();
}

/** Images of a shard: those that were encoded, by position in the shard, and the others. */
interface EncodedShard {
  images: Map<number, EncodedFile>;
  leftOut: NonNullable<ShardEntry['leftOut']>;
}

/** Encodes a list of images, shard by shard. */
class Encoding {
  readonly #flags: EncodeFlags;
  readonly #tokenizer: ImageTokenizer;
  readonly #fit: FitOptions;
  readonly #leftOut: LeftOut;
  readonly #files: readonly string[];
  readonly #progress: Progress;
  /** Names of the arrays of single images, which depend only on the list. */
  readonly #names: readonly string[];
  readonly #signal = interruptSignal();

  constructor(
    flags: EncodeFlags,
    tokenizer: ImageTokenizer,
    fit: FitOptions,
    leftOut: LeftOut,
    files: readonly string[],
  ) {
    this.#flags = flags;
    this.#tokenizer = tokenizer;
    this.#fit = fit;
    this.#leftOut = leftOut;
    this.#files = files;
    const unique = new UniqueNames('.npy');
    this.#names = flags.to === 'npy' ? files.map((file) => unique.of(file)) : [];
    this.#progress = new Progress(flags, files.length);
  }

  /** Encodes the shards that are not whole. @throws Error if no image can be used */
  async run(manifest: Manifest): Promise<void> {
    const { shard: size = SHARD, out } = this.#flags;
    const progress = this.#progress;
    for (let first = 0; first < this.#files.length; first += size) {
      const shard = first / size;
      const kept = await manifest.whole(shard);
      if (kept) {
        for (const { file, reason } of kept.leftOut ?? []) await this.#leaveOut(file, reason);
        progress.finish(Math.min(size, this.#files.length - first), kept, true);
        continue;
      }
      const files = this.#files.slice(first, first + size);
      const { images, leftOut } = await this.#encode(files);
      const written = await this.#write(shard, first, images);
      const entry = { images: images.size, files: written, ...(leftOut.length > 0 && { leftOut }) };
      progress.finish(files.length, await manifest.add(shard, entry), false);
    }
    if (progress.images === 0) throw this.#leftOut.nothingElse();
    progress.end(out);
  }

  async #encode(files: readonly string[]): Promise<EncodedShard> {
    const tokenizer = this.#tokenizer;
    const images = new Map<number, EncodedFile>();
    const leftOut: EncodedShard['leftOut'] = [];
    const read = (i: number) => readFitted(files[i]!, files[i]!, tokenizer, this.#fit);
    for await (const { indices, pictures, error } of inBatches(files.length, read, this.#flags.batch)) {
      this.#signal.throwIfAborted();
      if (error) {
        const file = files[indices[0]!]!;
        leftOut.push({ file, reason: error.reason });
        await this.#leaveOut(file, error.reason);
      } else {
        for (const [i, ids] of (await encodePictures(tokenizer, pictures, this.#flags)).entries()) {
          const [at, { size }] = [indices[i]!, pictures[i]!];
          const values = Int32Array.from(ids.toTypedArray() as BigInt64Array, Number);
          const grid = ids.shape.slice(1) as [number, number];
          images.set(at, { file: files[at]!, grid, size, ids: values });
          ids.dispose();
        }
      }
      this.#progress.advance(indices.length);
      // Encoding is synchronous: a signal such as Ctrl-C needs a turn of the event loop.
      await new Promise(setImmediate);
    }
    this.#signal.throwIfAborted();
    return { images: new Map([...images].sort(([a], [b]) => a - b)), leftOut };
  }

  /** Writes a shard, or one array per image, and returns the names of the files. */
  async #write(shard: number, first: number, images: ReadonlyMap<number, EncodedFile>): Promise<string[]> {
    const { out, to } = this.#flags;
    const options = { ...this.#flags, stride: this.#tokenizer.stride };
    if (to !== 'npy' || this.#flags.shard !== undefined) {
      return writeShard(out, `tokens-${String(shard).padStart(5, '0')}`, [...images.values()], options);
    }
    const names: string[] = [];
    for (const [i, image] of images) {
      this.#signal.throwIfAborted();
      const name = this.#names[first + i]!;
      await writeOne(join(out, name), image, options);
      names.push(name);
    }
    return names;
  }

  async #leaveOut(file: string, reason: string): Promise<void> {
    this.#progress.clear();
    await this.#leftOut.unless(file, () => Promise.reject(new ImageDataError(file, reason)));
  }
}

/** Returns how images are fitted. */
function fitOf({ size, square = false, fit, padding }: EncodeFlags): FitOptions {
  return { ...(size !== undefined && { size }), square, fit, padding };
}

/** Returns the flags on which the content of the token files depends. */
function settingsOf(flags: EncodeFlags, { size, device }: ImageTokenizer): Record<string, unknown> {
  const { markers, tile, overlap, template } = flags;
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
    ...(tile !== undefined && { '--tile': tile, '--overlap': overlap ?? null }),
    '--precision': flags.precision,
    '--device': device.replace(/:\d+$/, ''),
  };
}
