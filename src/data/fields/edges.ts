/** Edges of images: Canny's detector with the defaults of scikit-image, `feature.canny(rgb2gray(image), sigma=2)`. */

/** Field of an example's edges. Every image has it. */
export const EDGES = 'edges';

const SIGMA = 2;
/** Gradient magnitudes from which a pixel may be an edge, and from which it makes its whole line one. */
const [LOW, HIGH] = [0.1, 0.2];
/** Weights of red, green and blue, of luminance (ITU-R BT.709). */
const LUMINANCE = [0.2125, 0.7154, 0.0721] as const;

/** The Gaussian's weights from its middle outwards, up to four standard deviations. */
const gaussian = (() => {
  const half = Array.from({ length: 4 * SIGMA + 1 }, (_, i) => Math.exp((-0.5 * i * i) / SIGMA ** 2));
  const sum = half.reduce((all, weight, i) => all + (i === 0 ? weight : 2 * weight), 0);
  return half.map((weight) => weight / sum);
})();

/**
 * Returns the edges of an image, bytes [height, width]: 255 on an edge, else 0. The outermost pixels are never edges.
 *
 * @param pixels RGB bytes [height, width, 3]
 *
 * @example
 * ```ts
 * const edges = edgesOf(new Uint8Array(64 * 64 * 3), 64, 64); // all 0: an image of one colour has none
 * ```
 */
export function edgesOf(pixels: Uint8Array, height: number, width: number): Uint8Array {
  const smooth = smoothed(luminance(pixels), height, width);
  const [down, right] = gradients(smooth, height, width);
  const magnitude = down.map((value, i) => Math.sqrt(value * value + right[i]! * right[i]!));
  const thin = new Float64Array(height * width);
  for (let y = 1; y < height - 1; y++) {
    for (let x = 1; x < width - 1; x++) {
      const at = y * width + x;
      if (magnitude[at]! >= LOW && isRidge(magnitude, at, width, down[at]!, right[at]!)) {
        thin[at] = magnitude[at]!;
      }
    }
  }
  return connected(thin, width);
}

/** Returns the luminance of RGB bytes, from 0 to 1. */
function luminance(pixels: Uint8Array): Float64Array {
  const [red, green, blue] = LUMINANCE;
  const values = new Float64Array(pixels.length / 3);
  for (let i = 0; i < values.length; i++) {
    values[i] = (pixels[3 * i]! * red + pixels[3 * i + 1]! * green + pixels[3 * i + 2]! * blue) / 255;
  }
  return values;
}

/** Smooths with a Gaussian. Beyond its border an image has no pixels, so that those near it average over fewer. */
function smoothed(values: Float64Array, height: number, width: number): Float64Array {
  const result = new Float64Array(values.length);
  for (let x = 0; x < width; x++) convolve(values, result, x, width, height);
  for (let y = 0; y < height; y++) convolve(result, result, y * width, 1, width);
  const [rows, columns] = [shares(height), shares(width)];
  for (let at = 0; at < result.length; at++) {
    const share = rows[Math.floor(at / width)]! * columns[at % width]!;
    result[at] = result[at]! / (share + Number.EPSILON);
  }
  return result;
}

/** Returns the share of the Gaussian that is inside a line, at each of its pixels. */
function shares(count: number): Float64Array {
  const line = new Float64Array(count).fill(1);
  convolve(line, line, 0, 1, count);
  return line;
}

/**
 * Convolves a line of `count` values with the Gaussian, from its ends to its middle, as SciPy does: the order decides
 * which of two equal magnitudes is larger by rounding.
 */
function convolve(from: Float64Array, to: Float64Array, first: number, step: number, count: number): void {
  const reach = gaussian.length - 1;
  const line = new Float64Array(count + 2 * reach);
  for (let i = 0; i < count; i++) line[reach + i] = from[first + i * step]!;
  for (let i = 0; i < count; i++) {
    let sum = line[reach + i]! * gaussian[0]!;
    for (let away = reach; away > 0; away--) {
      sum += (line[reach + i - away]! + line[reach + i + away]!) * gaussian[away]!;
    }
    to[first + i * step] = sum;
  }
}

/** Returns Sobel's gradients downwards and to the right. The image is mirrored at its border. */
function gradients(values: Float64Array, height: number, width: number): [Float64Array, Float64Array] {
  const [down, right] = [new Float64Array(values.length), new Float64Array(values.length)];
  for (let y = 0; y < height; y++) {
    const [above, here, below] = [Math.max(y - 1, 0), y, Math.min(y + 1, height - 1)].map(
      (row) => row * width,
    );
    for (let x = 0; x < width; x++) {
      const [before, after] = [Math.max(x - 1, 0), Math.min(x + 1, width - 1)];
      const vertical = (column: number) => values[below! + column]! - values[above! + column]!;
      const horizontal = (row: number) => values[row + after]! - values[row + before]!;
      down[here! + x] = vertical(x) * 2 + (vertical(before) + vertical(after));
      right[here! + x] = horizontal(here!) * 2 + (horizontal(above!) + horizontal(below!));
    }
  }
  return [down, right];
}

/**
 * True if the magnitude at a place is at least as large as those next to it along the gradient, each of which is
 * interpolated between the two neighbours that the gradient points between.
 */
function isRidge(magnitude: Float64Array, at: number, width: number, down: number, right: number): boolean {
  const [steep, flat] = [Math.abs(down), Math.abs(right)];
  const same = (down >= 0 && right >= 0) || (down <= 0 && right <= 0);
  const vertical = steep > flat;
  const share = vertical ? flat / steep : steep / flat;
  const diagonal = same ? width + 1 : width - 1; // in reading order, from here to the lower neighbour
  const straight = vertical ? width : same ? 1 : -1;
  const between = (side: 1 | -1) =>
    magnitude[at + side * diagonal]! * share + magnitude[at + side * straight]! * (1 - share);
  return between(1) <= magnitude[at]! && between(-1) <= magnitude[at]!;
}

/** Returns 255 for pixels above 0 that are connected, also diagonally, to one of at least `HIGH`. */
function connected(thin: Float64Array, width: number): Uint8Array {
  const edges = new Uint8Array(thin.length);
  const open: number[] = [];
  const add = (at: number) => {
    if (edges[at] !== 0) return;
    edges[at] = 255;
    open.push(at);
  };
  thin.forEach((value, at) => value >= HIGH && add(at));
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    // The outermost pixels are 0, so that all neighbours of the others are in the image.
    for (const row of [at - width, at, at + width]) {
      for (const next of [row - 1, row, row + 1]) if (thin[next]! > 0) add(next);
    }
  }
  return edges;
}
