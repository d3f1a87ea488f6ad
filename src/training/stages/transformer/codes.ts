/** Encodes images to rows of codes, for the second stage. */
import { existsSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { EpochOrder } from '../../../data/epoch-order.js';
import type { ImageSource } from '../../../data/image-source.js';
import type { View } from '../../../data/picture.js';
import { ReadAhead } from '../../../data/read-ahead.js';
import { SeededRandom } from '../../../data/seeded-random.js';
import * as torch from '../../../torch/index.js';
import type { Tensor } from '../../../torch/index.js';
import { loadCheckpoint, saveSafetensors } from '../../../torch/io/index.js';

export interface Codes {
  /** int64 [N, h·w], each row a flattened grid; the views of an image are consecutive. */
  train: Tensor;
  heldOut: Tensor; // [M, h·w]
  /** Class of each row of `train`, int64 [N]; zeros if there are no classes. */
  labels: Tensor;
  heldOutLabels: Tensor; // [M]
}

export interface CodesRequest {
  train: ImageSource;
  heldOut: ImageSource;
  /** Images [B, 3, H, W] → codes, int64 [B, h, w]. */
  encode: (images: Tensor) => Tensor;
  device: torch.Device;
  /** Crops of each training image: 1 takes the central one, more are taken at random positions. */
  views: number;
  /** Also encode the mirror image of each crop. */
  flip: boolean;
  seed: number;
  signal?: AbortSignal | undefined;
}

/** File name of the codes in a run folder. */
export const codesFile = 'codes.safetensors';

const BATCH = 16;

/** Encodes all images, or reads previously encoded codes from `file`. Returns null if the signal aborted. */
export async function codesOf(file: string, request: CodesRequest): Promise<Codes | null> {
  if (existsSync(file)) return readCodes(file, request.device);
  const { train, heldOut, views, flip, seed } = request;
  const encoded = await encodeAll(train, request, (index) => viewsOf(index, views, flip, seed));
  const held = encoded && (await encodeAll(heldOut, request, () => [centre]));
  if (!held) return null;
  const labels = labelsOf(train, views * (flip ? 2 : 1));
  const heldOutLabels = labelsOf(heldOut, 1);
  const codes = { train: encoded, heldOut: held, labels, heldOutLabels };
  // Half the size: a codebook has far fewer than 2³¹ codes.
  const small = torch.scope(() =>
    Object.fromEntries(Object.entries(codes).map(([k, t]) => [k, t.to('int32')])),
  );
  await saveSafetensors(file, small);
  torch.dispose([small, codes]);
  return readCodes(file, request.device);
}

async function readCodes(file: string, device: torch.Device): Promise<Codes> {
  const checkpoint = await loadCheckpoint(file);
  try {
    return torch.scope(() => {
      const read = (key: string) => checkpoint.tensors.get(key)!.to('int64').to(device);
      return torch.keep({
        train: read('train'),
        heldOut: read('heldOut'),
        labels: read('labels'),
        heldOutLabels: read('heldOutLabels'),
      });
    });
  } finally {
    checkpoint.close();
  }
}

const centre: View = { x: 0.5, y: 0.5, flip: false };

function viewsOf(index: number, count: number, flip: boolean, seed: number): View[] {
  const random = new SeededRandom(seed, index);
  const crops = Array.from({ length: count }, () =>
    count === 1 ? centre : { x: random.next(), y: random.next(), flip: false },
  );
  return crops.flatMap((view) => (flip ? [view, { ...view, flip: true }] : [view]));
}

async function encodeAll(
  source: ImageSource,
  { encode, device, signal }: CodesRequest,
  viewsOfPicture: (index: number) => View[],
): Promise<Tensor | null> {
  const wanted = Array.from({ length: source.length }, (_, index) =>
    viewsOfPicture(index).map((view) => ({ index, view })),
  ).flat();
  const batches = Array.from({ length: Math.ceil(wanted.length / BATCH) }, (_, i) =>
    wanted.slice(i * BATCH, (i + 1) * BATCH),
  );
  const ahead = new ReadAhead(batches, (some) =>
    source.readSquares(
      some.map(({ index }) => index),
      [],
      some.map(({ view }) => view),
    ),
  );
  const rows: Tensor[] = [];
  for (let next = ahead.next(); next; next = ahead.next()) {
    const { image } = source.toExample(await next.result, device);
    rows.push(torch.noGrad(() => torch.scope(() => encode(image).flatten(1)))); // [B, h·w]
    image.dispose();
    await setImmediate();
    if (signal?.aborted) {
      torch.dispose(rows);
      return null;
    }
  }
  if (rows.length === 0) return torch.zeros([0, 0], { dtype: 'int64' });
  const all = torch.cat(rows);
  torch.dispose(rows);
  return all;
}

function labelsOf(source: ImageSource, times: number): Tensor {
  const labels = Array.from({ length: source.length }, (_, i) => source.label(i) ?? 0);
  return torch.tensor(
    BigInt64Array.from(labels.flatMap((label) => Array<bigint>(times).fill(BigInt(label)))),
  );
}

/** Endless batches of rows: every row once per epoch, in an order that depends only on the seed and the epoch. */
export class RowOrder {
  readonly #count: number;
  readonly #order: EpochOrder;
  #position: number;

  constructor(count: number, seed: number, position = 0) {
    this.#count = count;
    this.#order = new EpochOrder(count, seed);
    this.#position = position;
  }

  /** Number of rows returned so far. */
  get position(): number {
    return this.#position;
  }

  next(batchSize: number): number[] {
    return Array.from({ length: batchSize }, () => {
      const at = this.#position++;
      return this.#order.at(Math.floor(at / this.#count), at % this.#count);
    });
  }
}
