/** Cuts a batch of crops out of images, with the fields that belong to them. */
import { COORDINATES, copyCoordinates } from '../fields/coordinates.js';
import { boxOf, copyBox, scaledTo, type Sides } from './crop.js';
import { computedFields, derivedFields, LABEL } from '../fields/example.js';
import { ImageDataError } from '../image-error.js';
import { LAYOUT, layoutRows, type LayoutKind } from '../fields/layout.js';
import { LOW_RESOLUTION } from '../fields/low-resolution.js';
import { rgbToGrey, type Picture, type View } from '../pictures/picture.js';
import type { Squares } from './squares.js';

/** Fields that are not maps in the store. */
const notStored: readonly string[] = [LABEL, LAYOUT, ...derivedFields];

export interface SquaresRequest {
  sides: Sides;
  /** Of each image, in the order of the batch. */
  views: readonly View[];
  fields: readonly string[];
  /** Scale the largest possible box to the sides, instead of taking them pixel for pixel. */
  fitted: boolean;
  channels: 1 | 3;
  layout: LayoutKind | null;
  /** Class of each image, if it is requested. */
  label: number[] | null;
  load: (place: number) => Promise<Picture>;
  nameOf: (place: number) => string;
}

/** Reads the crops of a batch. @throws ImageDataError for an image without one of its maps */
export async function readCrops(request: SquaresRequest): Promise<Squares> {
  const { sides, views, fields, fitted, channels, label, load, nameOf } = request;
  const [height, width] = sides;
  const area = height * width;
  const count = views.length;
  const names = fields.filter((name) => !notStored.includes(name));
  const layout = fields.includes(LAYOUT) ? request.layout : null;
  const layouts: Float64Array[] = [];
  const positions = fields.includes(COORDINATES) ? new Float32Array(count * area) : null;
  const image = new Uint8Array(count * area * 3);
  const bytes = () => new Uint8Array(count * area);
  const maps = names.map((name) => [name, bytes()] as const);
  const computed = fields.flatMap((name) => {
    const { ofCrop } = computedFields[name] ?? {};
    return ofCrop ? [{ name, ofCrop, target: bytes() }] : [];
  });
  const read = async (view: View, i: number) => {
    const whole = await load(i);
    const box = boxOf(whole, sides, view, fitted);
    const missing = names.find((name) => whole.maps?.[name]?.length !== whole.width * whole.height);
    if (missing !== undefined) throw new ImageDataError(nameOf(i), `has no map "${missing}" of its own size`);
    const cut = await scaledTo(whole, box, sides);
    copyBox(cut.picture, cut.picture.pixels, cut.box, view.flip, image, i * area * 3);
    const crop = image.subarray(i * area * 3, (i + 1) * area * 3);
    for (const { ofCrop, target } of computed) target.set(ofCrop(crop, height, width), i * area);
    if (positions) copyCoordinates(whole, box, sides, view.flip, positions, i * area);
    if (layout) layouts[i] = layoutRows(whole, box, view.flip, layout);
    for (const [name, target] of maps) {
      copyBox(cut.picture, cut.picture.maps![name]!, cut.box, view.flip, target, i * area, 1);
    }
  };
  await Promise.all(views.map(read));
  return {
    sides,
    image: channels === 1 ? rgbToGrey(image) : image,
    maps: Object.fromEntries([...maps, ...computed.map(({ name, target }) => [name, target] as const)]),
    lowResolution: fields.includes(LOW_RESOLUTION),
    label,
    positions,
    layouts: layout && layouts,
  };
}
