/** Images with floating point samples, whose files do not state the value of white. */
import type { Sharp } from 'sharp';
import { ImageDataError } from '../image-error.js';
import { greyToRgb, type Picture } from './picture.js';
import { loadSharp } from './sharp.js';
import type { FloatSamples, TiffTags } from './tiff-samples.js';

/** Limit on pixels: all samples of an image are in memory at once, four bytes each. */
const maxFloatPixels = 2 ** 24;

/** Rounding error allowed beyond black and white, as a share of white. */
const tolerance = 1e-3;

/**
 * Determines from all samples of an image whether its range is 0 to 1 or 0 to 255.
 * @throws ImageDataError for any other range, and for NaN and infinity
 */
export async function measureFloats(path: string, bytes: Uint8Array, tags: TiffTags): Promise<FloatSamples> {
  const sharp = await loadSharp();
  const colour = tags.photometric === 2;
  const inverted = tags.photometric === 0;
  const image = sharp(bytes, { failOn: 'error', limitInputPixels: maxFloatPixels });
  const { samples } = await rawFloats(image, colour).catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message.trim().split('\n')[0] : String(cause);
    throw new ImageDataError(path, `its floating point samples cannot be decoded (${reason})`, { cause });
  });
  const white = whiteOf(samples);
  if (typeof white === 'string') {
    throw new ImageDataError(
      path,
      `its samples are floating point ${white}; expected 0 to 1, or 0 to 255. Save it with 8 or 16 bits`,
    );
  }
  return { white, inverted, colour };
}

/** Returns the value of white, or a description of the samples if it cannot be determined. */
export function whiteOf(samples: Float32Array): 1 | 255 | string {
  let [least, most, sum, whole] = [Infinity, -Infinity, 0, true];
  for (const value of samples) {
    if (!Number.isFinite(value)) return `and contain ${Number.isNaN(value) ? 'NaN' : 'infinity'}`;
    if (value < least) least = value;
    if (value > most) most = value;
    sum += value;
    whole &&= Number.isInteger(value);
  }
  const range = `from ${Number(least.toPrecision(3))} to ${Number(most.toPrecision(3))}`;
  if (most <= 1 + tolerance) return least >= -tolerance ? 1 : range;
  if (most > 255 * (1 + tolerance) || least < -255 * tolerance) return range;
  // Unbounded light intensities exceed 1, too; interpreted as bytes they would be almost black.
  const bytes = whole || (most >= 32 && sum / samples.length >= 4);
  return bytes ? 255 : `${range}, which is ambiguous`;
}

/** Decodes to RGB bytes, as `decodePicture`. Scales samples linearly, whatever colour space the decoder assumes. */
export async function decodeFloats(
  image: Sharp,
  width: number,
  height: number,
  { white, inverted, colour }: FloatSamples,
  fit: 'cover' | 'fill' = 'cover',
): Promise<Picture> {
  const scaled = image.autoOrient().resize(width, height, { fit, position: 'centre' });
  const { samples, channels } = await rawFloats(scaled, colour);
  const bytes = Uint8ClampedArray.from(samples, (value) => {
    const share = value / white;
    return (inverted ? 1 - share : share) * 255;
  });
  const pixels = new Uint8Array(bytes.buffer);
  return { width, height, pixels: channels === 1 ? greyToRgb(pixels) : pixels };
}

/** Returns the raw samples: asks for the colour space that the decoder assumes, so that it converts nothing. */
async function rawFloats(
  image: Sharp,
  colour: boolean,
): Promise<{ samples: Float32Array; channels: number }> {
  const { data, info } = await image
    .toColourspace(colour ? 'scrgb' : 'b-w')
    .raw({ depth: 'float' })
    .toBuffer({ resolveWithObject: true });
  const expected = colour ? 3 : 1;
  if (info.channels !== expected)
    throw new Error(`decoded to ${info.channels} channels, expected ${expected}`);
  const copy = data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength);
  return { samples: new Float32Array(copy), channels: info.channels };
}
