import test from 'ava';
import { checkSequence, fromSequence, toSequence } from '../../src/tokenizer/sequence.js';

const markers = { begin: 100, row: 101, end: 102 };

test('without options a sequence is the ids row by row, and an offset is added to them', (t) => {
  t.deepEqual([...toSequence([1, 2, 3, 4, 5, 6], [2, 3], {})], [1, 2, 3, 4, 5, 6]);
  t.deepEqual([...toSequence([1, 2, 3, 4, 5, 6], [2, 3], { offset: 50 })], [51, 52, 53, 54, 55, 56]);
});

test('markers stand before the image, after each row and after the image, without the offset', (t) => {
  t.deepEqual(
    [...toSequence([1, 2, 3, 4, 5, 6], [2, 3], { offset: 50, markers })],
    [100, 51, 52, 53, 101, 54, 55, 56, 101, 102],
  );
});

test('a sequence becomes its ids again; markers tell the grid', (t) => {
  const ids = Int32Array.from([1, 2, 3, 4, 5, 6]);
  for (const grid of [
    [2, 3],
    [1, 6],
    [6, 1],
  ] as const) {
    for (const options of [{}, { offset: 7 }, { markers }, { offset: 7, markers }]) {
      const known = 'markers' in options ? null : grid;
      t.deepEqual(fromSequence(toSequence(ids, grid, options), known, options), { ids, grid: [...grid] });
    }
  }
});

test('sequences of other markers are refused with the difference', (t) => {
  const good = [100, 1, 2, 101, 3, 4, 101, 102];
  const at = (index: number, token: number) => good.map((value, i) => (i === index ? token : value));
  for (const [sequence, grid, message] of [
    [at(0, 7), null, /the first token is 7, not the marker 100/],
    [at(7, 7), null, /the last token is 7, not the marker 102/],
    [[100, 1, 2, 102], null, /no row that ends with the marker 101/],
    [at(6, 7), null, /not all 2 ids long/],
    [[100, 1, 2, 101, 3, 101, 102], null, /not all 2 ids long/],
    [good, [4, 1], /markers show a grid of 2 × 2 ids, not 4 × 1/],
    [[100, 102], null, /no row/],
    [[], null, /the first token is undefined/],
  ] as const) {
    t.throws(() => fromSequence(sequence, grid, { markers }), { instanceOf: RangeError, message });
  }
  t.throws(() => fromSequence([1, 2, 3], [2, 2], {}), { message: /3 tokens are not a grid of 2 × 2 ids/ });
  t.throws(() => fromSequence([1, 2, 3], null, {}), { message: /the grid of 3 tokens is not known/ });
});

test('offsets and markers that could not be told apart, or that int32 does not hold, are refused', (t) => {
  t.notThrows(() => checkSequence({ offset: 2 ** 31 - 16, markers }, 16));
  t.notThrows(() => checkSequence({ offset: 103, markers }, 16));
  for (const [options, message] of [
    [{ offset: -1 }, /offset must be an integer from 0 to 2147483632/],
    [{ offset: 2 ** 31 - 15 }, /got 2147483633/],
    [{ offset: 0.5 }, /got 0\.5/],
    [{ offset: 90, markers }, /marker begin is 100, which is also an id: ids are 90 to 105/],
    [{ markers: { ...markers, end: 101 } }, /markers row and end are both 101/],
    [{ markers: { ...markers, row: 2 ** 31 } }, /marker row must be an integer from 0 to 2147483647/],
  ] as const) {
    t.throws(() => checkSequence(options, 16), { instanceOf: RangeError, message });
  }
});
