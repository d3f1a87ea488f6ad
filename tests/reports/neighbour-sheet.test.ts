import test from 'ava';
import { neighbourSheet, type NeighbourRows } from '../../src/reports/neighbour-sheet.js';
import * as torch from '../../src/torch/index.js';

/** Rows of images of one value each, with neighbours of another. */
function rows(
  heading: string,
  count: number,
  [image, neighbour]: readonly [number, number],
  side = 16,
): NeighbourRows {
  return {
    heading,
    images: torch.full([count, 3, side, side], image),
    numbers: Array.from({ length: count }, (_, i) => i),
    neighbours: torch.full([count, 2, 3, side, side], neighbour),
    distances: Array.from({ length: count }, () => [0.1, 0.3]),
  };
}

const [HEAD, STEP, HEIGHT] = [44, 100, 96 + 16 + 4];

test('samples are left, held-out images right, with an empty column between, and missing rows are white', (t) => {
  const sheet = {
    title: 'x',
    samples: rows('samples', 3, [-1, -0.2]),
    heldOut: rows('held out', 2, [0, 0.6]),
    near: 0.2,
  };
  const { pixels, svg } = neighbourSheet(sheet);
  t.deepEqual([pixels.width, pixels.height], [7 * STEP - 4, HEAD + 3 * HEIGHT - 4]);
  const at = (column: number, row: number) =>
    pixels.pixels[((HEAD + row * HEIGHT + 50) * pixels.width + column * STEP + 50) * 3];
  const seen = [0, 1, 2].map((row) => Array.from({ length: 7 }, (_, column) => at(column, row)));
  t.deepEqual(seen, [
    [0, 102, 102, 255, 128, 204, 204],
    [0, 102, 102, 255, 128, 204, 204],
    [0, 102, 102, 255, 255, 255, 255],
  ]);
  t.is(svg.match(/<rect/g)!.length, 5);
  t.is(svg.match(/#c22/g)!.length, 3); // the nearer neighbour of each sample
});

test('without held-out images nothing is marked, and large images are made smaller', (t) => {
  const sheet = { title: 'x', samples: rows('samples', 1, [-1, -1], 256), heldOut: null, near: null };
  const { pixels, svg } = neighbourSheet(sheet);
  t.deepEqual([pixels.width, pixels.height], [3 * 132 - 4, HEAD + 128 + 16]);
  t.false(svg.includes('#c22'));
});
