import test from 'ava';
import fc from 'fast-check';
import { inTiles, pieces } from '../../src/tokenizer/tiles.js';
import * as torch from '../../src/torch/index.js';

const tilings = fc
  .tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 2, max: 12 }), fc.constantFrom(1, 2, 4), fc.nat())
  .map(([count, tile, to, any]) => ({ count, tile, to, overlap: any % (Math.floor(tile / 2) + 1) }));

test('pieces cover a side, share at least the overlap, and their shares sum to 1', (t) => {
  fc.assert(
    fc.property(tilings, ({ count, tile, overlap, to }) => {
      const all = pieces(count, { tile, overlap }, to);
      t.is(all[0]!.start, 0);
      t.is(all.at(-1)!.start + all.at(-1)!.length, count);
      const total = new Float64Array(count * to);
      for (const [i, { start, length, shares }] of all.entries()) {
        t.is(length, Math.min(tile, count));
        if (i > 0) t.true(all[i - 1]!.start + length - start >= overlap && start > all[i - 1]!.start);
        shares.forEach((share, at) => {
          t.true(share > 0);
          total[start * to + at]! += share;
        });
      }
      t.true(total.every((sum) => Math.abs(sum - 1) < 1e-6));
    }),
  );
});

for (const [name, units, network] of [
  [
    'decoding',
    { from: 1, to: 3 },
    (x: torch.Tensor) => x.repeatInterleave(3, 2).repeatInterleave(3, 3).mul(2),
  ],
  ['encoding', { from: 3, to: 1 }, (x: torch.Tensor) => x.avgPool2d([3, 3]).mul(2)],
] as const) {
  test(`a network that sees one code at a time gives in tiles what it gives of the whole: ${name}`, (t) => {
    const x = torch.rand([2, 4, 11 * units.from, 7 * units.from]);
    let calls = 0;
    const counted = (tile: torch.Tensor) => (calls++, network(tile));
    const tiled = inTiles(x, { tile: 4, overlap: 1 }, units, counted);
    t.true(torch.allclose(tiled, network(x), { atol: 1e-6 }));
    t.is(calls, 4 * 2);
  });
}
