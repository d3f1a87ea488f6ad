/** Random crops of random size and proportions: torchvision's `RandomResizedCrop`. */
import type { Box } from './crop.js';

export interface ResizedCrop {
  /** Least and largest share of the image's area. */
  scale: readonly [least: number, most: number];
  /** Least and largest width by height. */
  ratio: readonly [least: number, most: number];
}

/** Those of torchvision. */
export const usualResizedCrop: ResizedCrop = { scale: [0.08, 1], ratio: [3 / 4, 4 / 3] };

/** Number of boxes drawn, each of which may not fit, before the centre is taken. */
const tries = 10;

/**
 * Draws the box of a crop as `RandomResizedCrop.get_params` does: an area that is uniform in `scale`, proportions whose
 * logarithm is uniform in `ratio`, and a uniform place; after ten boxes that do not fit, the largest one in the centre
 * with the nearest allowed proportions.
 *
 * @param random returns a number in [0, 1)
 */
export function randomResizedBox(
  width: number,
  height: number,
  { scale, ratio }: ResizedCrop,
  random: () => number,
): Box {
  const uniform = ([low, high]: readonly [number, number]) => low + (high - low) * random();
  const logs = [Math.log(ratio[0]), Math.log(ratio[1])] as const;
  for (let i = 0; i < tries; i++) {
    const area = width * height * uniform(scale);
    const proportions = Math.exp(uniform(logs));
    const columns = roundToEven(Math.sqrt(area * proportions));
    const rows = roundToEven(Math.sqrt(area / proportions));
    if (columns < 1 || columns > width || rows < 1 || rows > height) continue;
    const top = Math.floor(random() * (height - rows + 1));
    const left = Math.floor(random() * (width - columns + 1));
    return { left, top, width: columns, height: rows };
  }
  const given = width / height;
  const columns = given > ratio[1] ? roundToEven(height * ratio[1]) : width;
  const rows = given < ratio[0] ? roundToEven(width / ratio[0]) : height;
  const middle = (whole: number, part: number) => Math.floor((whole - part) / 2);
  return { left: middle(width, columns), top: middle(height, rows), width: columns, height: rows };
}

/** Rounds halves to even numbers, as Python does. */
function roundToEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}
