/** Features in files, with what they depend on. */
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import { loadCheckpoint, loadNpy, saveSafetensors, type Checkpoint } from '../torch/io/index.js';
import type { Protocol } from './protocol.js';

/** Features of a set of images. */
export interface FeatureSet {
  /** One row for each image: [N, D]. */
  features: Tensor;
  /** Conditions under which they were made; null if the file does not state them. */
  protocol: Protocol | null;
}

/** Name of the features in a file that has other tensors, too, and of the protocol in its metadata. */
const KEY = 'features';
const PROTOCOL = 'tessera.protocol';

/**
 * Writes features [N, D] to a safetensors file, with their protocol in its metadata.
 *
 * @example
 * ```ts
 * await saveFeatures('photos.safetensors', torch.zeros([10, 8]), { network: 'mine', images: 10 });
 * ```
 */
export async function saveFeatures(path: string, features: Tensor, protocol: Protocol = {}): Promise<void> {
  expectMatrix(path, features.shape);
  await saveSafetensors(path, { [KEY]: features }, { metadata: { [PROTOCOL]: JSON.stringify(protocol) } });
}

/**
 * Reads features [N, D] from a `.npy` file, or from any checkpoint (safetensors, PyTorch) that has one matrix, or one
 * under the name `features`.
 *
 * @param options.key name of the tensor in the file
 * @throws ShapeError for another shape, or a file in which the features cannot be told from other tensors
 *
 * @example
 * ```ts
 * const { features, protocol } = await loadFeatures('photos.safetensors');
 * const other = await loadFeatures('generated.npy'); // of another program
 * const distance = frechetDistance(features, other.features);
 * ```
 */
export async function loadFeatures(path: string, { key }: { key?: string } = {}): Promise<FeatureSet> {
  if (path.toLowerCase().endsWith('.npy')) {
    const features = await loadNpy(path);
    expectMatrix(path, features.shape);
    return { features, protocol: null };
  }
  using file = await loadCheckpoint(path);
  const name = key ?? matrixIn(file, path);
  const features = file.all.get(name);
  if (!features) throw new torch.TorchError(`${path} has no tensor ${name}; it has ${namesIn(file)}`);
  expectMatrix(path, features.shape);
  return { features, protocol: protocolIn(file) };
}

function matrixIn(file: Checkpoint, path: string): string {
  if (file.all.has(KEY)) return KEY;
  const matrices = [...file.all.keys()].filter((name) => file.all.info(name)?.shape.length === 2);
  if (matrices.length === 1) return matrices[0]!;
  throw new torch.ShapeError(
    `${path} has ${matrices.length} matrices and none is called ${KEY}, so that the features [N, D] are not clear; ` +
      `it has ${namesIn(file)}`,
  );
}

function namesIn(file: Checkpoint): string {
  const names = [...file.all.keys()];
  return `${names.slice(0, 5).join(', ')}${names.length > 5 ? ` and ${names.length - 5} more` : ''}`;
}

function protocolIn({ metadata }: Checkpoint): Protocol | null {
  const text = (metadata as Record<string, unknown>)[PROTOCOL];
  return typeof text === 'string' ? (JSON.parse(text) as Protocol) : null;
}

function expectMatrix(path: string, shape: readonly number[]): void {
  if (shape.length === 2) return;
  throw new torch.ShapeError(`features are a matrix [N, D], but ${path} has [${shape.join(', ')}]`);
}
