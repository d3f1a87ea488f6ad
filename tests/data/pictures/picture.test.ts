import { fc, testProp } from '@fast-check/ava';
import test from 'ava';
import { boxOf, copyBox } from '../../../src/data/batches/crop.js';
import type { Picture, View } from '../../../src/data/pictures/picture.js';

/** A picture whose pixels hold their own place: [x, y, 7]. */
function placed(width: number, height: number) {
  const pixels = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) pixels.set([i % width, Math.floor(i / width), 7], i * 3);
  return { width, height, pixels };
}

/** Copies the square of a view. */
function copySquare(picture: Picture, size: number, view: View, target: Uint8Array, offset: number): void {
  copyBox(picture, picture.pixels, boxOf(picture, [size, size], view, false), view.flip, target, offset);
}

const shape = fc.record({
  size: fc.integer({ min: 1, max: 12 }),
  wider: fc.integer({ min: 0, max: 20 }),
  higher: fc.integer({ min: 0, max: 20 }),
});
const unit = fc.double({ min: 0, max: 1, noNaN: true });

testProp(
  'a view is a whole square of the image, and its mirror image is the same square mirrored',
  [shape, unit, unit],
  (t, { size, wider, higher }, x, y) => {
    const picture = placed(size + wider, size + higher);
    const [straight, mirrored] = [false, true].map((flip) => {
      const target = new Uint8Array(size * size * 3 + 4).fill(99);
      copySquare(picture, size, { x, y, flip }, target, 2);
      t.deepEqual([...target.subarray(0, 2), ...target.subarray(-2)], [99, 99, 99, 99]);
      return target.subarray(2, -2);
    });
    const [left, top] = straight!;
    t.true(left! <= wider && top! <= higher);
    for (let row = 0; row < size; row++) {
      for (let column = 0; column < size; column++) {
        const at = (row * size + column) * 3;
        t.deepEqual([...straight!.subarray(at, at + 3)], [left! + column, top! + row, 7]);
        const opposite = (row * size + size - 1 - column) * 3;
        t.deepEqual([...mirrored!.subarray(opposite, opposite + 3)], [left! + column, top! + row, 7]);
      }
    }
  },
);

test('the middle view is the middle', (t) => {
  const target = new Uint8Array(3);
  copySquare(placed(7, 1), 1, { x: 0.5, y: 0.5, flip: false }, target, 0);
  t.deepEqual([...target], [3, 0, 7]);
});

test('a square larger than the image is refused', (t) => {
  t.throws(() => copySquare(placed(3, 9), 4, { x: 0, y: 0, flip: false }, new Uint8Array(48), 0), {
    instanceOf: RangeError,
    message: /3 × 9 pixels is too small for a crop of 4 × 4/,
  });
});
