/** Crops of images: a box of the image becomes an image of given sides. */
import { cornerOf, type Picture, type View } from '../pictures/picture.js';
import { loadSharp } from '../pictures/sharp.js';

/** Height and width in pixels. */
export type Sides = readonly [height: number, width: number];

/** Part of an image, in its pixels. */
export interface Box {
  left: number;
  top: number;
  width: number;
  height: number;
}

/**
 * Returns the part of an image that a view shows in `sides`: pixel for pixel, or with `fitted` the largest box of these
 * proportions, to be scaled.
 * @throws RangeError for an image that is smaller, unless fitted
 */
export function boxOf(picture: Picture, [height, width]: Sides, view: View, fitted: boolean): Box {
  if (view.part) return view.part(picture.width, picture.height);
  if (!fitted) return { ...cornerOf(picture, [height, width], view), width, height };
  const scale = Math.min(picture.width / width, picture.height / height);
  const box = {
    width: Math.max(1, Math.min(picture.width, Math.round(width * scale))),
    height: Math.max(1, Math.min(picture.height, Math.round(height * scale))),
  };
  return { ...box, ...cornerOf(picture, [box.height, box.width], view) };
}

/** Returns the box of an image as an image of the given sides; the image itself if nothing has to be scaled. */
export async function scaledTo(
  picture: Picture,
  box: Box,
  sides: Sides,
): Promise<{ picture: Picture; box: Box }> {
  const [height, width] = sides;
  if (box.width === width && box.height === height) return { picture, box };
  const { maps } = picture;
  const names = Object.keys(maps ?? {});
  const [pixels, ...scaled] = await Promise.all([
    scaledPixels(picture, picture.pixels, 3, box, sides),
    ...names.map((name) => scaledPixels(picture, maps![name]!, 1, box, sides)),
  ]);
  const scaledMaps = Object.fromEntries(names.map((name, i) => [name, scaled[i]!]));
  return {
    picture: { width, height, pixels, ...(maps && { maps: scaledMaps }) },
    box: { left: 0, top: 0, width, height },
  };
}

/** Scales on sharp's threads: images bilinearly with antialiasing, as torchvision does; labels of maps are not mixed. */
async function scaledPixels(
  { width, height }: Picture,
  pixels: Uint8Array,
  channels: 1 | 3,
  box: Box,
  sides: Sides,
): Promise<Uint8Array> {
  const sharp = await loadSharp();
  const { data, info } = await sharp(pixels, { raw: { width, height, channels } })
    .extract(box)
    .resize({ width: sides[1], height: sides[0], fit: 'fill', kernel: channels === 3 ? 'linear' : 'nearest' })
    .raw()
    .toBuffer({ resolveWithObject: true });
  if (info.channels === channels) return data;
  return Uint8Array.from({ length: sides[0] * sides[1] }, (_, i) => data[i * info.channels]!);
}

/** Copies a box of an image's bytes, [box.height, box.width, channels], into `target` at `offset`. */
export function copyBox(
  { width }: Pick<Picture, 'width'>,
  pixels: Uint8Array,
  box: Box,
  flip: boolean,
  target: Uint8Array,
  offset: number,
  channels: 1 | 3 = 3,
): void {
  const rowBytes = box.width * channels;
  for (let row = 0; row < box.height; row++) {
    const from = ((box.top + row) * width + box.left) * channels;
    const to = offset + row * rowBytes;
    if (!flip) {
      target.set(pixels.subarray(from, from + rowBytes), to);
      continue;
    }
    for (let x = 0; x < box.width; x++) {
      const source = from + (box.width - 1 - x) * channels;
      for (let c = 0; c < channels; c++) target[to + x * channels + c] = pixels[source + c] as number;
    }
  }
}
