/** Images and maps in NumPy arrays. */
import { parseNpy } from '../../torch/io/npy.js';
import * as torch from '../../torch/index.js';
import { whiteOf } from './float-samples.js';
import { ImageDataError } from '../image-error.js';

/** An array as an image: values with the channels of a pixel together. */
export interface ArrayPixels {
  width: number;
  height: number;
  channels: 1 | 3;
  /** [height, width, channels] */
  values: Uint8Array | Uint16Array | Float32Array | Float64Array;
  /** True if the values are 0 and 1, which as intensities are black and white. */
  boolean: boolean;
}

/** True for the bytes of an .npy file. */
export function isNpy(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.subarray(0, 6)).toString('latin1') === '\x93NUMPY';
}

/**
 * Reads an array [height, width], [height, width, channels] or [channels, height, width] with 1 or 3 channels.
 * @throws ImageDataError for another shape or type of elements
 */
export function readArray(path: string, bytes: Uint8Array): ArrayPixels {
  try {
    return torch.scope(() => pixelsOf(path, parseNpy(bytes, 'the array')));
  } catch (cause) {
    if (cause instanceof ImageDataError) throw cause;
    throw new ImageDataError(path, (cause as Error).message, { cause });
  }
}

function pixelsOf(path: string, array: torch.Tensor): ArrayPixels {
  const { shape } = array;
  const isCount = (size: number | undefined) => size === 1 || size === 3;
  const isLast = shape.length === 3 && isCount(shape[2]);
  const isFirst = shape.length === 3 && !isLast && isCount(shape[0]);
  if ((shape.length !== 2 && !isLast && !isFirst) || shape.includes(0)) {
    throw new ImageDataError(
      path,
      `its array is [${shape.join(', ')}], expected [height, width], [height, width, 3] or [3, height, width]`,
    );
  }
  const last = isFirst ? array.permute([1, 2, 0]).contiguous() : array;
  const [height, width, channels = 1] = last.shape as [number, number, (1 | 3)?];
  const { dtype } = last;
  if (!['bool', 'uint8', 'uint16', 'float16', 'float32', 'float64'].includes(dtype)) {
    throw new ImageDataError(path, `its array is of ${dtype}; expected uint8, uint16, floats or booleans`);
  }
  const readable = dtype === 'float16' ? last.to('float32') : last;
  return {
    width,
    height,
    channels,
    values: readable.toTypedArray() as ArrayPixels['values'],
    boolean: dtype === 'bool',
  };
}

/**
 * Returns the values as bytes: the upper half of 16 bits, as of other 16-bit images, and floats from 0 to 1 or from 0 to
 * 255.
 * @throws ImageDataError for floats of another range
 */
export function bytesOfArray(path: string, { values, boolean }: ArrayPixels): Uint8Array {
  if (boolean) return Uint8Array.from(values, (value) => value * 255);
  if (values instanceof Uint8Array) return values;
  if (values instanceof Uint16Array) return Uint8Array.from(values, (value) => value >> 8);
  const white = whiteOf(Float32Array.from(values));
  if (typeof white === 'string') {
    throw new ImageDataError(path, `its array has floats ${white}; expected 0 to 1, or 0 to 255`);
  }
  return new Uint8Array(Uint8ClampedArray.from(values, (value) => (value / white) * 255).buffer);
}
