/** Encodes images to rows of codes, for the second stage. */
import { existsSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import type { ImageSource } from '../../../data/image-source.js';
import type { View } from '../../../data/pictures/picture.js';
import { usualResizedCrop, type ResizedCrop } from '../../../data/batches/random-resized-crop.js';
import { ReadAhead } from '../../../data/batches/read-ahead.js';
import { drawView, type ViewOptions } from '../../../data/batches/views.js';
import { SeededRandom } from '../../../data/seeded-random.js';
import * as torch from '../../../torch/index.js';
import { unrecorded } from '../../../torch/core/unrecorded.js';
import type { Tensor } from '../../../torch/index.js';
import { loadCheckpoint, saveSafetensors } from '../../../torch/io/index.js';
import type { ImageVectors } from './vectors.js';

/** Codes of N crops of images. */
export interface CodeRows {
  /** int64 [N, h·w], of token sets also int32 or int16, each row a flattened grid; the views of an image are consecutive. */
  codes: Tensor;
  /** Class of each row, int64 [N]; zeros if there are no classes. */
  labels: Tensor;
  /** Tokens of each row's condition, int64 [N, C], or its row in `vectors`, int64 [N, 1]; null for none and for classes. */
  condition: Tensor | null;
  /** Vectors that are the condition, [M, K, D], the same in both parts; null or left out for other conditions. */
  vectors?: Tensor | null;
  /** Rows of an image, of which an epoch takes one; left out: an epoch takes each row. */
  views?: number;
}

export interface Codes {
  train: CodeRows;
  heldOut: CodeRows;
}

/** Encoders of images and of their conditions. */
export interface Encoders {
  /** Images [B, 3, H, W] → codes, int64 [B, h, w]. */
  encode: (images: Tensor) => Tensor;
  /** Fields that are the condition, and their encoder: [B, C, H, W] each → tokens, int64 [B, N]. Null without such. */
  condition: { fields: readonly string[]; encode: (values: Tensor[]) => Tensor } | null;
}

interface EncodingRequest extends Encoders {
  device: torch.Device;
  /** Images that are encoded together. Default 16. */
  batch?: number;
  signal?: AbortSignal | undefined;
}

export interface CodesRequest extends EncodingRequest {
  train: ImageSource;
  heldOut: ImageSource;
  /** Vectors that are the condition; null for other conditions. */
  vectors: ImageVectors | null;
  /** Crops of each training image: 1 takes the central one, more are drawn as `crop` says. */
  views: number;
  /** How crops are drawn, `resized` ones in this range of sizes and proportions; see `LoaderOptions`. Default random. */
  crop?: ViewOptions['crop'];
  scale?: ResizedCrop['scale'] | undefined;
  ratio?: ResizedCrop['ratio'] | undefined;
  /** Also encode the mirror image of each crop. */
  flip: boolean;
  seed: number;
}

/** File name of the codes in a run folder. */
export const codesFile = 'codes.safetensors';

const BATCH = 16;

/** Tensors of the file, by name. `labels` and the tokens of conditions go with the codes of the same rows. */
const names = {
  train: { codes: 'train', labels: 'labels', condition: 'conditions' },
  heldOut: { codes: 'heldOut', labels: 'heldOutLabels', condition: 'heldOutConditions' },
} as const;
const VECTORS = 'vectors';

/** Encodes all images, or reads previously encoded codes from `file`. Returns null if the signal aborted. */
export async function codesOf(file: string, request: CodesRequest): Promise<Codes | null> {
  if (existsSync(file)) return readCodes(file, request.device);
  const of = (part: 'train' | 'heldOut', viewsOfImage: (index: number) => View[]) =>
    encodeAll(request[part], request, viewsOfImage, request.vectors?.[part] ?? null);
  const train = await of('train', (index) => viewsOf(index, request));
  const heldOut = train && (await of('heldOut', () => [centre]));
  if (!heldOut) return null;
  const codes = { train, heldOut };
  // Half the size: a codebook has far fewer than 2³¹ codes.
  const small = torch.scope(() =>
    Object.fromEntries(namedTensors(codes).map(([name, tensor]) => [name, tensor.to('int32')])),
  );
  const { vectors } = request;
  // Several processes encode alike; one of them writes, and the others may not find the file yet.
  if (torch.distributed.rank() > 0) {
    const [own, others] = onDevice([train, heldOut], request);
    return { train: own!, heldOut: others! };
  }
  await saveSafetensors(file, { ...small, ...(vectors && { [VECTORS]: vectors.table }) });
  torch.dispose([small, codes]);
  return readCodes(file, request.device);
}

/** Returns the tensors in the order of the file. */
function namedTensors(codes: Codes): [name: string, tensor: Tensor][] {
  return (['codes', 'labels', 'condition'] as const).flatMap((kind) =>
    (['train', 'heldOut'] as const).flatMap((part) => {
      const tensor = codes[part][kind];
      return tensor ? [[names[part][kind], tensor] as [string, Tensor]] : [];
    }),
  );
}

/**
 * Encodes the central crop of every image, and writes no file. Returns null if the signal aborted.
 *
 * @param request.vectors of these images, as their held-out part; null for other conditions
 */
export async function encodeCentres(
  source: ImageSource,
  request: EncodingRequest & Pick<CodesRequest, 'vectors'>,
): Promise<CodeRows | null> {
  const rows = await encodeAll(source, request, () => [centre], request.vectors?.heldOut ?? null);
  return rows && onDevice([rows], request)[0]!;
}

/** Moves rows that are not read from the file to where `readCodes` would put them. */
function onDevice(
  rows: readonly CodeRows[],
  { device, vectors }: Pick<CodesRequest, 'device' | 'vectors'>,
): CodeRows[] {
  const moved = torch.scope(() => {
    const table = vectors?.table.to(device).clone() ?? null;
    const each = rows.map(({ codes, labels, condition }) => ({
      codes: codes.to(device).clone(),
      labels: labels.to(device).clone(),
      condition: condition && condition.to(device).clone(),
      vectors: table,
    }));
    return torch.keep(each);
  });
  torch.dispose(rows);
  return moved;
}

async function readCodes(file: string, device: torch.Device): Promise<Codes> {
  const checkpoint = await loadCheckpoint(file);
  try {
    return torch.scope(() => {
      const read = (key: string) => checkpoint.tensors.get(key)?.to('int64').to(device);
      const vectors = checkpoint.tensors.get(VECTORS)?.to(device) ?? null;
      const rows = ({ codes, labels, condition }: (typeof names)['train' | 'heldOut']): CodeRows => ({
        codes: read(codes)!,
        labels: read(labels)!,
        condition: read(condition) ?? null,
        vectors,
      });
      return torch.keep({ train: rows(names.train), heldOut: rows(names.heldOut) });
    });
  } finally {
    checkpoint.close();
  }
}

const centre: View = { x: 0.5, y: 0.5, flip: false };

function viewsOf(index: number, { views, flip, seed, crop = 'random', ...how }: CodesRequest): View[] {
  const { scale = usualResizedCrop.scale, ratio = usualResizedCrop.ratio } = how;
  const random = new SeededRandom(seed, index);
  const crops = Array.from({ length: views }, () =>
    views === 1 ? centre : drawView(random, { crop, flip: false, scale, ratio }),
  );
  return crops.flatMap((view) => (flip ? [view, { ...view, flip: true }] : [view]));
}

async function encodeAll(
  source: ImageSource,
  { encode, condition, device, batch = BATCH, signal }: EncodingRequest,
  viewsOfImage: (index: number) => View[],
  vectorRows: readonly number[] | null,
): Promise<CodeRows | null> {
  const wanted = Array.from({ length: source.length }, (_, index) =>
    viewsOfImage(index).map((view) => ({ index, view })),
  ).flat();
  const batches = Array.from({ length: Math.ceil(wanted.length / batch) }, (_, i) =>
    wanted.slice(i * batch, (i + 1) * batch),
  );
  const fields = condition?.fields ?? [];
  const ahead = new ReadAhead(batches, (some) =>
    source.readSquares(
      some.map(({ index }) => index),
      fields,
      some.map(({ view }) => view),
    ),
  );
  const rows: Tensor[] = [];
  const conditions: Tensor[] = [];
  for (let next = ahead.next(); next; next = ahead.next()) {
    const example = source.toExample(await next.result, device);
    rows.push(unrecorded(() => encode(example.image).flatten(1))); // [B, h·w]
    if (condition) {
      const values = fields.map((field) => example.fields[field]!);
      conditions.push(unrecorded(() => condition.encode(values))); // [B, N]
    }
    torch.dispose(example);
    await setImmediate();
    if (signal?.aborted) {
      torch.dispose([rows, conditions]);
      return null;
    }
  }
  const labels = wanted.map(({ index }) => BigInt(source.label(index) ?? 0));
  return {
    codes: joined(rows),
    labels: torch.tensor(BigInt64Array.from(labels)),
    condition: vectorRows
      ? torch.tensor(wanted.map(({ index }) => [BigInt(vectorRows[index]!)]))
      : condition && joined(conditions),
  };
}

/** Concatenates rows and disposes of the parts. */
function joined(rows: Tensor[]): Tensor {
  if (rows.length === 0) return torch.zeros([0, 0], { dtype: 'int64' });
  const all = torch.cat(rows);
  torch.dispose(rows);
  return all;
}
