/** Files of vectors that describe images, such as embeddings of their captions. */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import { loadCheckpoint, loadNpy, saveSafetensors } from '../../torch/io/index.js';
import { ImageDataError } from '../image-error.js';

export interface VectorFile {
  /** float32 [M, N, D]: M rows of N vectors of D numbers. */
  rows: Tensor;
  /** Name of each row; null if the file only has their order. */
  names: readonly string[] | null;
}

/** Name of the only tensor of a safetensors file whose rows have no names. */
const ROWS = 'vectors';

/**
 * Reads vectors from an .npy file, [M, D] or [M, N, D], or from a safetensors file, which has such an array under the name
 * `vectors`, or a tensor for each image or class under its name, [D] or [N, D]. The caller owns the rows.
 *
 * @throws ImageDataError for a file that is not one of these
 *
 * @example
 * ```ts
 * const { rows, names } = await readVectors('texts.npy'); // [M, N, D]
 * ```
 */
export async function readVectors(path: string): Promise<VectorFile> {
  const { names, tensors } = await tensorsOf(path).catch((cause: Error) => {
    throw new ImageDataError(path, `its vectors cannot be read (${cause.message})`, { cause });
  });
  try {
    return { names, rows: torch.keep(torch.scope(() => rowsOf(path, names, tensors))) };
  } finally {
    torch.dispose(tensors);
  }
}

async function tensorsOf(path: string): Promise<{ names: string[] | null; tensors: Tensor[] }> {
  if (path.endsWith('.npy')) return { names: null, tensors: [await loadNpy(path)] };
  const checkpoint = await loadCheckpoint(path);
  try {
    const names = [...checkpoint.tensors.keys()];
    const tensors = names.map((name) => torch.keep(checkpoint.tensors.get(name)!.clone()));
    return { names: String(names) === ROWS ? null : names, tensors };
  } finally {
    checkpoint.close();
  }
}

function rowsOf(path: string, names: readonly string[] | null, tensors: readonly Tensor[]): Tensor {
  const [first] = tensors;
  const [least, most] = names ? [1, 2] : [2, 3];
  const wrong = tensors.findIndex(
    ({ ndim, shape, dtype }) =>
      ndim < least || ndim > most || String(shape) !== String(first!.shape) || !dtype.includes('float'),
  );
  if (first === undefined || wrong >= 0 || first.numel() === 0) {
    const { dtype = 'nothing', shape = [] } = tensors[Math.max(0, wrong)] ?? {};
    throw new ImageDataError(
      path,
      `has ${dtype} [${shape.join(', ')}]${names ? ` for "${names[wrong]}"` : ''}, expected floating point vectors: ` +
        '[rows, numbers] or [rows, vectors, numbers] without names, or one or more vectors of the same length for each name',
    );
  }
  const all = names ? torch.stack([...tensors]) : first;
  return (all.ndim === 2 ? all.unsqueeze(1) : all).to('float32').clone(); // [M, N, D]
}

/** Any function from texts to vectors, [texts, D] or [texts, N, D], such as a language model's encoder. */
export type TextEncoder = (texts: readonly string[]) => Tensor | Promise<Tensor>;

/**
 * Encodes a text for each image, or for each class, and writes the vectors under the names of these as safetensors.
 *
 * @param texts by the name of the image's file, or of the class
 * @param batch number of texts to encode at a time, default 32
 *
 * @example
 * ```ts
 * const encode = (texts: readonly string[]) => torch.zeros([texts.length, 384]); // your model's
 * await saveTextVectors('captions.safetensors', { 'a.png': 'a red house', 'b.png': 'two dogs' }, encode);
 * ```
 */
export async function saveTextVectors(
  path: string,
  texts: Readonly<Record<string, string>>,
  encode: TextEncoder,
  batch = 32,
): Promise<void> {
  const rows: Record<string, Tensor> = {};
  const names = Object.keys(texts);
  try {
    for (let from = 0; from < names.length; from += batch) {
      const some = names.slice(from, from + batch);
      const vectors = await encode(some.map((name) => texts[name]!));
      if (vectors.shape[0] !== some.length) {
        throw new RangeError(
          `saveTextVectors: the encoder gave [${vectors.shape.join(', ')}] for ${some.length} texts; expected a row for each`,
        );
      }
      for (const [i, name] of some.entries()) {
        rows[name] = torch.keep(torch.scope(() => vectors.select(0, i).to('cpu').float().clone()));
      }
      vectors.dispose();
    }
    await saveSafetensors(path, rows);
  } finally {
    torch.dispose(rows);
  }
}
