import { fc, testProp } from '@fast-check/ava';
import test from 'ava';
import { contentHash, placesOf, splitByContent } from '../../src/data/split.js';

const hashes = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => contentHash(`picture ${from + i}`));

testProp(
  'a split is a partition, independent of the order, with copies on one side',
  [
    fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 2, maxLength: 60 }),
    fc.oneof(fc.double({ min: 0, max: 0.99, noNaN: true }), fc.integer({ min: 1, max: 5 })),
  ],
  (t, contents, heldOut) => {
    const list = contents.map((i) => contentHash(`picture ${i}`));
    const distinct = new Set(list).size;
    if (heldOut >= distinct || (distinct === 1 && heldOut > 0)) {
      t.throws(() => splitByContent(list, heldOut), { message: /at least one must be left to train on/ });
      return;
    }
    const split = splitByContent(list, heldOut);
    t.deepEqual(
      [...split.train, ...split.heldOut].sort((a, b) => a - b),
      [...list.keys()],
    );
    const sides = [split.train, split.heldOut].map((side) => new Set(side.map((i) => list[i])));
    t.true(sides[0]!.size > 0);
    t.true([...sides[0]!].every((hash) => !sides[1]!.has(hash)));
    if (heldOut >= 1) t.is(sides[1]!.size, heldOut);
    if (heldOut > 0) t.true(sides[1]!.size > 0);
    if (heldOut === 0) t.is(sides[1]!.size, 0);
    const backwards = list.toReversed();
    const again = splitByContent(backwards, heldOut).heldOut.map((i) => backwards[i]);
    t.deepEqual(new Set(again.toReversed()), sides[1]);
  },
);

test('new images move no other one to the other side', (t) => {
  const before = splitByContent(hashes(0, 300), 0.1);
  const after = splitByContent(hashes(0, 900), 0.1);
  t.deepEqual(
    after.heldOut.filter((i) => i < 300),
    before.heldOut,
  );
});

test('a share is held out about as large as asked for', (t) => {
  const { heldOut } = splitByContent(hashes(0, 4000), 0.05);
  t.true(Math.abs(heldOut.length - 200) < 50, `${heldOut.length}`);
});

test('a share of very few images holds out one and leaves one', (t) => {
  t.is(splitByContent(hashes(0, 3), 0.001).heldOut.length, 1);
  t.is(splitByContent(hashes(0, 3), 0.999).train.length, 1);
});

for (const heldOut of [-1, 1.5, Number.NaN, Infinity]) {
  test(`held out: ${heldOut} is refused`, (t) => {
    t.throws(() => splitByContent(hashes(0, 10), heldOut), {
      instanceOf: RangeError,
      message: /share below 1/,
    });
  });
}

/** The split as it is defined: different hashes in the order of their places, the first of which are held out. */
function rankedSplit(list: readonly string[], heldOut: number) {
  const place = (hash: string) => Number.parseInt(hash.slice(0, 12), 16) / 2 ** 48;
  const ranked = [...new Set(list)].sort((a, b) => place(a) - place(b) || (a < b ? -1 : 1));
  const below = ranked.filter((hash) => place(hash) < heldOut).length;
  const count = heldOut > 0 && heldOut < 1 ? Math.max(1, Math.min(ranked.length - 1, below)) : heldOut;
  const chosen = new Set(ranked.slice(0, count));
  return [...list.keys()].filter((i) => chosen.has(list[i]!));
}

testProp(
  'the held-out images are the first of all different hashes, also where these share a place',
  [
    fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 3 })), {
      minLength: 12,
      maxLength: 60,
    }),
    fc.constantFrom(0, 0.05, 0.3, 0.9, 1, 2, 3),
  ],
  (t, pairs, heldOut) => {
    const list = pairs.map(([a, b]) => contentHash(`${a}`).slice(0, 12) + contentHash(`${b}`).slice(12));
    const distinct = new Set(list).size;
    t.is(placesOf(list).distinct, distinct);
    if (distinct <= Math.max(1, heldOut)) return;
    t.deepEqual(splitByContent(list, heldOut).heldOut, rankedSplit(list, heldOut));
    const store = { length: list.length, hash: (i: number) => list[i]! };
    t.deepEqual(splitByContent(store, heldOut), splitByContent(list, heldOut));
    const bytes = Buffer.from(list.map((hash) => `${hash}${'00'.repeat(8)}`).join(''), 'hex');
    const packed = { ...store, digests: { bytes, stride: 40 } };
    t.deepEqual(placesOf(packed), placesOf(list));
    t.deepEqual(splitByContent(packed, heldOut), splitByContent(list, heldOut));
  },
);
