/** Fields of an example besides its image and class: maps that lie over the image, one byte a pixel. */
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import { bytesToImages } from './image-tensor.js';

/** Says what the bytes of a map mean. */
export interface MapKind {
  /** Names of the labels that its bytes number; without it they are intensities from 0 to 255. */
  labels?: readonly string[];
}

/** The maps that every picture of a store has, by the name of their field, such as `segmentation` or `depth`. */
export type MapKinds = Readonly<Record<string, MapKind>>;

/** The field of a picture's class. */
export const LABEL = 'label';

/** Returns squares [B, size, size] of a map as the tensor that a model takes: one-hot [B, labels, size, size] float32
 * for labels, else [B, 1, size, size] in [-1, 1]. */
export function mapToTensor(bytes: Uint8Array, size: number, kind: MapKind, device: torch.Device): Tensor {
  if (!kind.labels) return bytesToImages(bytes, [size, size], 1, device);
  const count = kind.labels.length;
  return torch.scope(() => {
    const numbers = torch.tensor(bytes).to(device).view([-1, size, size]).long(); // [B, H, W]
    return torch.oneHot(numbers, count).permute([0, 3, 1, 2]).to('float32').contiguous(); // [B, labels, H, W]
  });
}

/**
 * Checks that a source has the fields that are asked for.
 * @throws RangeError naming the first that it lacks, and those it has
 */
export function checkFields(wanted: readonly string[], known: readonly string[]): void {
  const missing = wanted.find((name) => !known.includes(name));
  if (missing === undefined) return;
  const has = known.length > 0 ? `they have: ${known.join(', ')}` : 'they have none';
  throw new RangeError(`these images have no field "${missing}"; ${has}`);
}
