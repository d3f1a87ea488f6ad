/** An image that shows images next to their nearest training images. */
import { imageGrid, savePixels, type PackedImage } from '../data/pictures/image-grid.js';
import type { Tensor } from '../torch/index.js';
import * as torch from '../torch/index.js';
import { inAscii } from './labelled-grid.js';
import { strokeText, textWidth } from './stroke-text.js';

/** Images, and the nearest training images of each. */
export interface NeighbourRows {
  /** Name of the images, such as `samples`; its letters must have glyphs. */
  heading: string;
  /** [R, C, H, W] in [−1, 1]. */
  images: Tensor;
  /** Number of each image, from 0 on, which is written below it. */
  numbers: readonly number[];
  /** The k nearest of each: [R, k, C, H, W]. */
  neighbours: Tensor;
  /** Their distances [R, k]. */
  distances: readonly (readonly number[])[];
}

export interface NeighbourSheet {
  /** Line at the top. */
  title: string;
  samples: NeighbourRows;
  /** Held-out images for comparison, to the right; null if there are none. */
  heldOut: NeighbourRows | null;
  /** Distance below which samples are near, which are marked; null without held-out images. */
  near: number | null;
}

/** Pixels of the lines at the top, between images, below an image, and of its side where it is small or large. */
const layout = { head: 44, gap: 4, margin: 16, least: 96, most: 128 };
const colours = { usual: '#333', near: '#c22' };

/**
 * Writes a PNG with a row for each sample: the sample, framed, and its nearest training images with their distances, and
 * to the right the same of a held-out image. Samples that are near have red distances.
 *
 * @param description content of the EXIF field ImageDescription, as JSON
 */
export async function saveNeighbourSheet(
  path: string,
  sheet: NeighbourSheet,
  description: unknown,
): Promise<void> {
  const { pixels, svg } = neighbourSheet(sheet);
  const exif = { ImageDescription: inAscii(JSON.stringify(description)) };
  await savePixels(path, pixels, { svg, exif });
}

/** Returns the pixels of a sheet, and the drawing over them. */
export function neighbourSheet(sheet: NeighbourSheet): { pixels: PackedImage; svg: string } {
  const sides = [sheet.samples, ...(sheet.heldOut ? [sheet.heldOut] : [])];
  const { cells, side } = torch.scope(() => {
    const whole = torch.cat(spaced(sides.map((rows) => cellsOf(rows, sheet.samples.images.shape[0]!))), 1);
    const shown = reduced(whole.flatten(0, 1)); // [R · columns, C, H, W]
    return { cells: torch.keep(shown), side: shown.shape[3]! };
  });
  const across = 1 + sheet.samples.neighbours.shape[1]!;
  const columns = sides.length * (across + 1) - 1;
  const scale = Math.max(1, Math.ceil(layout.least / side));
  const { gap, margin } = layout;
  const grid = imageGrid(cells, { columns, scale, gap, margin });
  cells.dispose();
  const pixels = withHead(grid);
  const size = { step: side * scale + gap, height: (grid.height + gap) / sheet.samples.images.shape[0]! };
  const drawn = sides.map((rows, i) =>
    drawing(rows, { ...size, left: i * (across + 1), near: i === 0 ? sheet.near : null }),
  );
  const { width, height } = pixels;
  const title = strokeText(sheet.title, { x: 2, y: 14, height: fittedHeight(sheet.title, width - 4) });
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${title}${drawn.join('')}</svg>`;
  return { pixels, svg };
}

/** Returns the cells [count, 1 + k, C, H, W] of one side, white where it has fewer rows. */
function cellsOf({ images, neighbours }: NeighbourRows, count: number): Tensor {
  const cells = torch.cat([images.unsqueeze(1), neighbours], 1);
  const missing = count - cells.shape[0]!;
  if (missing === 0) return cells;
  return torch.cat([cells, torch.ones([missing, ...cells.shape.slice(1)])]);
}

/** Puts an empty column between both sides. */
function spaced(sides: readonly Tensor[]): Tensor[] {
  return sides.flatMap((cells, i) => (i === 0 ? [cells] : [torch.onesLike(cells.narrow(1, 0, 1)), cells]));
}

/** Makes images that are large for a sheet smaller. */
function reduced(images: Tensor): Tensor {
  const side = images.shape[3]!;
  return side > layout.most ? images.adaptiveAvgPool2d([layout.most, layout.most]) : images;
}

/** Adds white rows above. */
function withHead({ width, height, pixels }: PackedImage): PackedImage {
  const head = new Uint8Array(width * layout.head * 3).fill(255);
  return { width, height: height + layout.head, pixels: Buffer.concat([head, pixels]) };
}

/** Returns the height of letters, at most 9 pixels, with which a line is not wider than the image. */
function fittedHeight(text: string, width: number): number {
  return Math.min(9, (9 * width) / textWidth(text, 9));
}

interface Place {
  /** Pixels from one column to the next, and from one row to the next. */
  step: number;
  height: number;
  /** First column. */
  left: number;
  near: number | null;
}

/** Draws the headings, the frames and the captions of one side. */
function drawing(
  { heading, numbers, distances }: NeighbourRows,
  { step, height, left, near }: Place,
): string {
  const { gap, margin, head } = layout;
  const x = left * step;
  const side = step - gap;
  const heads = [
    strokeText(heading, { x: x + 2, y: 34 }),
    strokeText('nearest training images', { x: x + step + 2, y: 34 }),
  ];
  const rows = numbers.map((number, row) => {
    const y = head + row * height;
    const text = (column: number, label: string, color: string) =>
      strokeText(label, {
        x: x + column * step + side / 2,
        y: y + side + margin - 4,
        height: 8,
        anchor: 'middle',
        color,
      });
    const color = (distance: number) => (near !== null && distance < near ? colours.near : colours.usual);
    const captions = distances[row]!.map((distance, i) => text(i + 1, distance.toFixed(4), color(distance)));
    const frame = `<rect x="${x + 1}" y="${y + 1}" width="${side - 2}" height="${side - 2}" fill="none" stroke="#333" stroke-width="2"/>`;
    return [frame, text(0, `${number + 1}`, colours.usual), ...captions].join('');
  });
  return [...heads, ...rows].join('');
}
