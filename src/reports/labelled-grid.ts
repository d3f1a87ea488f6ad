/** Images in a grid with the name of its class below each. */
import {
  imageGrid,
  savePixels,
  type ImageGridOptions,
  type PackedImage,
} from '../data/pictures/image-grid.js';
import type { Tensor } from '../torch/index.js';
import { canDraw, strokeText, textWidth } from './stroke-text.js';

/** Height in pixels of the caption area below an image, and of its capitals. */
const caption = { margin: 18, height: 8 };

/** An image's class. */
export interface Labelled {
  /** Number of the class. */
  class: number;
  name: string;
}

/** A grid of images, and the names below them as a drawing of the same size. */
export interface LabelledGrid {
  pixels: PackedImage;
  svg: string;
}

/**
 * Arranges images [N, C, H, W], with the class name below each, or the class number if the name has characters without a
 * glyph.
 */
export function labelledGrid(
  images: Tensor,
  labels: readonly Labelled[],
  options: ImageGridOptions = {},
): LabelledGrid {
  const { gap = 2, scale = 1, columns = Math.ceil(Math.sqrt(labels.length)) } = options;
  const pixels = imageGrid(images, { ...options, columns, margin: caption.margin });
  const [rows, cols] = images.shape.slice(-2) as [number, number];
  const texts = labels.map((label, i) => {
    const x = (i % columns) * (cols * scale + gap) + (cols * scale) / 2;
    const y = Math.floor(i / columns) * (rows * scale + caption.margin + gap) + rows * scale + 12;
    return strokeText(fitted(label, cols * scale), { x, y, height: caption.height, anchor: 'middle' });
  });
  const { width, height } = pixels;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${texts.join('')}</svg>`;
  return { pixels, svg };
}

/**
 * Writes images [N, C, H, W] as one PNG, arranged as by {@link labelledGrid}. The EXIF field ImageDescription holds all names
 * in order, as JSON: a list under `listedAs`, by default `classes`.
 */
export async function saveLabelledGrid(
  path: string,
  images: Tensor,
  labels: readonly Labelled[],
  { listedAs = 'classes', ...options }: ImageGridOptions & { listedAs?: string } = {},
): Promise<void> {
  const { pixels, svg } = labelledGrid(images, labels, options);
  const names = JSON.stringify({ [listedAs]: labels.map(({ name }) => name) });
  await savePixels(path, pixels, { svg, exif: { ImageDescription: inAscii(names) } });
}

/** Returns the drawn name, truncated to a width. */
function fitted(label: Labelled, width: number): string {
  const name = label.name.replaceAll('_', ' ').toLowerCase();
  const text = name.trim() !== '' && canDraw(name) ? name : `class ${label.class}`;
  if (textWidth(text, caption.height) <= width) return text;
  let kept = text;
  while (kept.length > 1 && textWidth(`${kept}..`, caption.height) > width) kept = kept.slice(0, -1);
  return `${kept}..`;
}

/** Escapes all non-ASCII characters of a JSON text. */
export function inAscii(json: string): string {
  return json.replace(/[^\x20-\x7e]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
