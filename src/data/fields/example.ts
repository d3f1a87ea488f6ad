/** Fields of an example besides its image and class: maps with one byte per pixel of the image. */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import { COORDINATES } from './coordinates.js';
import { EDGES, edgesOf } from './edges.js';
import { bytesToImages } from '../pictures/image-tensor.js';
import { LOW_RESOLUTION } from './low-resolution.js';

/** Meaning of the bytes of a map. */
export interface MapKind {
  /** Names of the labels, if the bytes are label indices; without it they are intensities from 0 to 255. */
  labels?: readonly string[];
}

/** Maps that every image of a store has, by field, such as `segmentation` or `depth`. */
export type MapKinds = Readonly<Record<string, MapKind>>;

/** Field of an image's class. */
export const LABEL = 'label';

/**
 * Converts squares [B, size, size] of a map, or rectangles [B, height, width], to the tensor that a model takes: one-hot [B, labels, height, width]
 * float32 for labels, else [B, 1, height, width] in [-1, 1].
 */
export function mapToTensor(
  bytes: Uint8Array,
  size: number | readonly [height: number, width: number],
  kind: MapKind,
  device: torch.Device,
): Tensor {
  const [height, width] = typeof size === 'number' ? [size, size] : size;
  if (!kind.labels) return bytesToImages(bytes, [height, width], 1, device);
  const count = kind.labels.length;
  return torch.scope(() => {
    const numbers = torch.tensor(bytes).to(device).view([-1, height, width]).long(); // [B, H, W]
    return torch.oneHot(numbers, count).permute([0, 3, 1, 2]).to('float32').contiguous(); // [B, labels, H, W]
  });
}

/** How a field is computed. */
export interface ComputedField {
  /**
   * Computes bytes [height, width] from the colours of a crop, [height, width, 3]: a map of intensities. Left out if the
   * field is computed from something else, where images are read (`readCrops`) or become tensors (`ImageSource.toExample`).
   */
  ofCrop?(rgb: Uint8Array, height: number, width: number): Uint8Array;
}

/** Fields that are computed from each image, and so are there for any. To add one, add its file, and an entry here. */
export const computedFields: Readonly<Record<string, ComputedField>> = {
  [COORDINATES]: {},
  [EDGES]: { ofCrop: edgesOf },
  [LOW_RESOLUTION]: {},
};

/** Names of the fields that are computed. */
export const derivedFields: readonly string[] = Object.keys(computedFields);

/**
 * Checks that a source has the requested fields; any has those that are derived.
 * @throws RangeError with the first missing field and the available ones
 */
export function checkFields(wanted: readonly string[], known: readonly string[]): void {
  const missing = wanted.find((name) => !derivedFields.includes(name) && !known.includes(name));
  if (missing === undefined) return;
  const has = known.length > 0 ? `they have: ${known.join(', ')}` : 'they have none';
  throw new RangeError(`these images have no field "${missing}"; ${has}`);
}
