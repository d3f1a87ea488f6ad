/** An image of a scene's layout: the objects and their places. */
import { loadSharp } from '../data/pictures/sharp.js';
import { writeAtomically } from '../files/atomic-file.js';
import { additionalParametersString } from '../models/conditions/layout/annotation.js';
import { absoluteBbox, type BoundingBox } from '../models/conditions/layout/boxes.js';
import type { CenterPoint, ObjectsConditionalBuilder } from '../models/conditions/layout/builder.js';
import type { Tensor } from '../torch/index.js';
import { strokeText } from './stroke-text.js';

export interface LayoutPicture {
  /** Width and height in pixels, default 256 × 256. */
  width?: number;
  height?: number;
  /** Names of the classes. Default: their numbers. */
  names?: readonly string[];
}

const colors = [
  '#1e76b3',
  '#ff7e0d',
  '#2b9f2b',
  '#d52627',
  '#9366bc',
  '#8b554a',
  '#e276c1',
  '#7e7e7e',
  '#bbbc21',
  '#16bdce',
];
const line = 3;

/**
 * Returns a layout's tokens as an SVG document: a box or a point for each object, with its class and properties, and a
 * grey frame around the crop if it is encoded.
 * @throws ShapeError for tokens that are not the builder's
 *
 * @example
 * ```ts
 * const builder = new ObjectsBoundingBoxConditionalBuilder({
 *   noObjectClasses: 2, noMaxObjects: 5, noTokens: 1024, encodeCrop: true, useGroupParameter: false,
 * });
 * const svg = layoutSvg(builder, builder.build([{ categoryNo: 1, bbox: [0.1, 0.5, 0.3, 0.4] }]));
 * ```
 */
export function layoutSvg(
  builder: ObjectsConditionalBuilder<BoundingBox | CenterPoint>,
  condition: Tensor,
  { width = 256, height = 256, names = [] }: LayoutPicture = {},
): string {
  const [objects, crop] = builder.inverseBuild(condition);
  const large = Math.max(width, height);
  const [radius, capitals] = large >= 512 ? [4, 10] : large >= 256 ? [3, 8] : [2, 7];
  const frame = (box: BoundingBox, color: string) => {
    const [left, top, right, bottom] = absoluteBbox(box, width, height);
    // The line lies within the box.
    const [x, y, w, h] = [left + line / 2, top + line / 2, right - left - line, bottom - top - line];
    const size = `width="${Math.max(0, w)}" height="${Math.max(0, h)}"`;
    return `<rect x="${x}" y="${y}" ${size} fill="none" stroke="${color}" stroke-width="${line}"/>`;
  };
  const drawn = objects.map(([representation, place], i) => {
    const object = builder.representationToAnnotation(representation);
    const name = names[object.categoryNo] ?? `class ${object.categoryNo}`;
    const label = `${name} ${additionalParametersString(object)}`.trim();
    const color = colors[i % colors.length]!;
    const [x, y] = [place[0] * width, place[1] * height];
    if (place.length === 4) {
      const at = { x: x + 2 * line, y: y + 2 * line + capitals, height: capitals, color: '#000' };
      return frame(place, color) + strokeText(label, at);
    }
    const at = { x, y: y - radius - 2, height: capitals, color: '#000', anchor: 'middle' } as const;
    return `<circle cx="${x}" cy="${y}" r="${radius}" fill="${color}"/>${strokeText(label, at)}`;
  });
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">` +
    `<rect width="${width}" height="${height}" fill="#fff"/>${drawn.join('')}${crop ? frame(crop, '#3f3f3f') : ''}</svg>`
  );
}

/**
 * Writes the image of a layout as a PNG; the file appears under its name only when complete.
 *
 * @example
 * ```ts
 * const builder = new ObjectsBoundingBoxConditionalBuilder({
 *   noObjectClasses: 2, noMaxObjects: 5, noTokens: 1024, encodeCrop: true, useGroupParameter: false,
 * });
 * const tokens = builder.build([{ categoryNo: 1, bbox: [0.1, 0.5, 0.3, 0.4] }]);
 * await saveLayout('layout.png', builder, tokens, { names: ['tree', 'cow'] });
 * ```
 */
export async function saveLayout(
  path: string,
  builder: ObjectsConditionalBuilder<BoundingBox | CenterPoint>,
  condition: Tensor,
  options: LayoutPicture = {},
): Promise<void> {
  const svg = layoutSvg(builder, condition, options);
  const sharp = await loadSharp();
  await writeAtomically(path, await sharp(Buffer.from(svg)).png().toBuffer());
}
