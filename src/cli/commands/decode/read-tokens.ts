/** Reads the token files that `encode` writes, and such files of other programs. */
import { createReadStream, readdirSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, extname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { attempt, exists } from '../../../files/look.js';
import { fromSequence, type Markers } from '../../../tokenizer/sequence.js';
import { loadCheckpoint, loadNpy } from '../../../torch/io/index.js';
import type { Tensor } from '../../../torch/index.js';
import * as torch from '../../../torch/index.js';

/** Ids of one image, without offset and markers. */
export interface TokenImage {
  /** Name of the image, as in the token file, or made from the token file's name. */
  file: string;
  grid: [number, number];
  /** Height and width in pixels, if the token file names them. */
  size?: [number, number];
  ids: Int32Array;
}

export interface ReadOptions {
  offset: number;
  markers?: Markers;
  /** Number of ids of the codebook. */
  nCodes: number;
}

const extensions = ['.jsonl', '.npy', '.safetensors'];

/** Returns the named token files, and those in the named folders, sorted. @throws Error if there is none */
export function tokenFiles(paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    if (!exists(path)) throw new Error(`${path}: there is no such token file or folder`);
    if (!statSync(path).isDirectory()) {
      if (extensions.includes(extname(path))) return [path];
      throw new Error(`${path}: this is not a token file; name ${extensions.join(', ')} files`);
    }
    const names = readdirSync(path).filter(
      (name) => !name.startsWith('.') && extensions.includes(extname(name)),
    );
    if (names.length > 0) return names.sort().map((name) => join(path, name));
    throw new Error(`${path}: there are no token files here (${extensions.join(', ')})`);
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
    const { file, grid, ids, size } = recordOf(line, place);
    if (!isIntegers(ids)) throw new Error(`${place}: "ids" is not a list of integers`);
    if (grid !== undefined && !isPair(grid)) throw new Error(`${place}: "grid" is not [rows, columns]`);
    const name = typeof file === 'string' ? file : `${basename(path, '.jsonl')}-${number}`;
    yield imageOf(place, name, ids, grid ?? null, size, options);
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
      yield* imagesOf(path, one, [`${stem}.png`], undefined, options);
      return;
    }
    const beside = path.replace(/\.npy$/, '.json');
    const { files, sizes } = exists(beside)
      ? (recordOf(await readFile(beside, 'utf8'), beside) as { files?: unknown; sizes?: unknown })
      : {};
    yield* imagesOf(path, tensor, files, sizes, options);
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
    yield* imagesOf(path, tensor, list('files'), list('sizes'), options);
    tensor.dispose();
  }
}

/** Splits an array [N, h, w], or [N, L] with markers, into images. */
function* imagesOf(
  path: string,
  tensor: Tensor,
  files: unknown,
  sizes: unknown,
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
  const values = torch.scope(() => tensor.to('int64').contiguous().toTypedArray()) as BigInt64Array;
  const grid = options.markers ? null : (rest as [number, number]);
  for (let i = 0; i < count; i++) {
    const name: unknown = Array.isArray(files) ? files[i] : undefined;
    const sequence = Array.from(values.subarray(i * length, (i + 1) * length), Number);
    const size: unknown = Array.isArray(sizes) ? sizes[i] : undefined;
    const file = typeof name === 'string' ? name : `${stem}-${i}.png`;
    yield imageOf(`${path}, image ${i}`, file, sequence, grid, size, options);
  }
}

function imageOf(
  place: string,
  file: string,
  sequence: number[],
  grid: [number, number] | null,
  size: unknown,
  { nCodes, ...options }: ReadOptions,
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
  return { file, ...found, ...(isPair(size) && { size }) };
}

const isIntegers = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((item) => Number.isSafeInteger(item));

const isPair = (value: unknown): value is [number, number] =>
  isIntegers(value) && value.length === 2 && value.every((side) => side > 0);
