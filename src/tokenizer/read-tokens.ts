/** Reads the token files that `encode` writes, and such files of other programs. */
import { createReadStream, readdirSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { attempt, exists } from '../files/look.js';
import { fromSequence, type Markers } from './sequence.js';
import { loadCheckpoint, loadNpy } from '../torch/io/index.js';
import type { Tensor } from '../torch/index.js';
import * as torch from '../torch/index.js';

/** Record of an image in a set for training. */
export interface ImageRecord {
  /** Class of the image; left out if the images have none. */
  class?: number;
  /** SHA-256 of its file or other source, by which it is held out. */
  sha256: string;
  /** True if its source always holds it out. */
  heldOut?: true;
}

/** Ids of one image, or of one view of it, without offset and markers. */
export interface TokenImage {
  /** Name of the image, as in the token file, or made from the token file's name. */
  file: string;
  grid: [number, number];
  /** Height and width in pixels, if the token file names them. */
  size?: [number, number];
  ids: Int32Array;
  /** Record of it, if the token file is for training. */
  record?: ImageRecord;
}

export interface ReadOptions {
  offset: number;
  markers?: Markers;
  /** Number of ids of the codebook. Default: any non-negative integer is an id. */
  nCodes?: number;
}

/** Extensions of token files. */
export const tokenExtensions = ['.jsonl', '.npy', '.safetensors'];

/** Returns the named token files, and those in the named folders, sorted. @throws Error if there is none */
export function tokenFiles(paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    if (!exists(path)) throw new Error(`${path}: there is no such token file or folder`);
    if (!statSync(path).isDirectory()) {
      if (tokenExtensions.includes(extname(path))) return [path];
      throw new Error(`${path}: this is not a token file; name ${tokenExtensions.join(', ')} files`);
    }
    const names = readdirSync(path).filter(
      (name) => !name.startsWith('.') && tokenExtensions.includes(extname(name)),
    );
    if (names.length > 0) return names.sort().map((name) => join(path, name));
    throw new Error(`${path}: there are no token files here (${tokenExtensions.join(', ')})`);
  });
}

/** Reads the images of a token file. @throws Error that names the file, and the line or the image */
export async function* readTokens(
  path: string,
  options: ReadOptions,
): AsyncGenerator<TokenImage, void, undefined> {
  if (path.endsWith('.jsonl')) yield* readLines(path, options);
  else if (path.endsWith('.npy')) yield* readNpy(path, options);
  else yield* readSafetensors(path, options);
}

async function* readLines(path: string, options: ReadOptions): AsyncGenerator<TokenImage, void, undefined> {
  let number = 0;
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    number++;
    if (line.trim() === '') continue;
    const place = `${path}:${number}`;
    const { file, grid, ids, size, class: label, sha256, heldOut } = recordOf(line, place);
    if (!isIntegers(ids)) throw new Error(`${place}: "ids" is not a list of integers`);
    if (grid !== undefined && !isPair(grid)) throw new Error(`${place}: "grid" is not [rows, columns]`);
    const name = typeof file === 'string' ? file : `${basename(path, '.jsonl')}-${number}`;
    const given = { class: label, sha256, ...(heldOut === true && { heldOut }) };
    yield imageOf(place, { file: name, size, record: given }, ids, grid ?? null, options);
  }
}

function recordOf(line: string, place: string): Record<string, unknown> {
  const record = attempt(() => JSON.parse(line) as unknown); // Null is as any other line that is not an object.
  if (typeof record === 'object' && record !== null) return record as Record<string, unknown>;
  throw new Error(`${place}: this is not a line {"file", "grid", "ids"} in JSON; is the file whole?`);
}

async function* readNpy(path: string, options: ReadOptions): AsyncGenerator<TokenImage, void, undefined> {
  const tensor = await loadNpy(path);
  try {
    const single = options.markers ? 1 : 2;
    const stem = basename(path, '.npy');
    if (tensor.ndim === single) {
      const one = torch.scope(() => tensor.unsqueeze(0));
      yield* imagesOf(path, one, { files: [`${stem}.png`] }, options);
      return;
    }
    const sidecar = path.replace(/\.npy$/, '.json');
    const lists = exists(sidecar) ? (recordOf(await readFile(sidecar, 'utf8'), sidecar) as Lists) : {};
    yield* imagesOf(path, tensor, lists, options);
  } finally {
    if (!tensor.disposed) tensor.dispose();
  }
}

async function* readSafetensors(
  path: string,
  options: ReadOptions,
): AsyncGenerator<TokenImage, void, undefined> {
  using checkpoint = await loadCheckpoint(path);
  const keys = [...checkpoint.tensors.keys()].filter((key) => /^ids(\.\d+x\d+)?$/.test(key));
  if (keys.length === 0) throw new Error(`${path}: there is no tensor "ids" in this file`);
  for (const key of keys) {
    const list = (name: string): unknown => {
      const text = checkpoint.metadata[key.replace('ids', name)];
      return typeof text === 'string' ? JSON.parse(text) : undefined;
    };
    const tensor = checkpoint.tensors.get(key)!;
    const [files, sizes, views, records] = ['files', 'sizes', 'views', 'images'].map(list);
    yield* imagesOf(path, tensor, { files, sizes, views, images: records }, options);
    tensor.dispose();
  }
}

/** Content of the JSON file next to an array, as `ShardList` of encode. */
interface Lists {
  files?: unknown;
  sizes?: unknown;
  views?: unknown;
  images?: unknown;
}

/** Splits an array [N, h, w], or [N, L] with markers, into images, or into the views of images. */
function* imagesOf(
  path: string,
  tensor: Tensor,
  { files, sizes, views, images }: Lists,
  options: ReadOptions,
): Generator<TokenImage, void, undefined> {
  const { shape, dtype } = tensor;
  const dims = options.markers ? 2 : 3;
  if (!/^u?int/.test(dtype) || shape.length !== dims) {
    const expected = options.markers ? 'sequences [N, L]' : 'grids [N, h, w]';
    throw new Error(
      `${path}: ${dtype} [${shape.join(', ')}] does not hold ${expected} of integers; ` +
        (options.markers ? 'leave out --markers, or name another file' : 'sequences need their --markers'),
    );
  }
  const [count = 0, ...rest] = shape;
  const stem = basename(path, extname(path));
  const length = rest.reduce((product, side) => product * side, 1);
  const values = numbersOf(tensor);
  const grid = options.markers ? null : (rest as [number, number]);
  const at = (list: unknown, i: number): unknown => (Array.isArray(list) ? list[i] : undefined);
  const perImage = Number.isSafeInteger(views) ? (views as number) : 1;
  for (let i = 0; i < count; i++) {
    const image = Math.floor(i / perImage);
    const name = at(files, image);
    const sequence = values.subarray(i * length, (i + 1) * length);
    const file = typeof name === 'string' ? name : `${stem}-${i}.png`;
    const found = { file, size: at(sizes, image), record: at(images, image) };
    yield imageOf(`${path}, image ${i}`, found, sequence, grid, options);
  }
}

/** Returns the integers of a tensor. */
function numbersOf(tensor: Tensor): Int32Array | Float64Array {
  return torch.scope(() => {
    if (tensor.dtype === 'int32') return tensor.contiguous().toTypedArray() as Int32Array;
    return tensor.to('float64').contiguous().toTypedArray() as Float64Array;
  });
}

function imageOf(
  place: string,
  { file, size, record }: { file: string; size: unknown; record: unknown },
  sequence: ArrayLike<number>,
  grid: [number, number] | null,
  { nCodes = Infinity, ...options }: ReadOptions,
): TokenImage {
  let found: ReturnType<typeof fromSequence>;
  try {
    found = fromSequence(sequence, grid, options);
  } catch (error) {
    throw new Error(`${place}: ${(error as Error).message}`, { cause: error });
  }
  const wrong = found.ids.find((id) => id < 0 || id >= nCodes);
  if (wrong !== undefined) {
    const { offset } = options;
    throw new Error(
      `${place}: token ${wrong + offset} is not an id, which are ${offset} to ${offset + nCodes - 1}; ` +
        'give the --offset and the --markers of encoding, and the model it was made with',
    );
  }
  return { file, ...found, ...(isPair(size) && { size }), ...(isRecord(record) && { record }) };
}

const isIntegers = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((item) => Number.isSafeInteger(item));

const isRecord = (value: unknown): value is ImageRecord =>
  typeof (value as Partial<ImageRecord> | undefined)?.sha256 === 'string';

const isPair = (value: unknown): value is [number, number] =>
  isIntegers(value) && value.length === 2 && value.every((side) => side > 0);
