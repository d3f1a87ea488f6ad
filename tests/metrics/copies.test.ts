import test from 'ava';
import { copyFigures, pixelFeatures } from '../../src/metrics/copies.js';
import { NearestAmong } from '../../src/metrics/nearest-among.js';
import * as torch from '../../src/torch/index.js';

const generator = new torch.Generator().manualSeed(5);
const draw = (...shape: number[]) => torch.randn(shape, { generator, dtype: 'float64' });

test('the nearest rows of a reference in parts are those of the whole, by the nearer of two forms', (t) => {
  const [plain, mirrored, reference] = [draw(30, 6), draw(30, 6), draw(50, 6)];
  const among = new NearestAmong([plain, mirrored], 4);
  for (const [from, count] of [
    [0, 3],
    [3, 30],
    [33, 17],
  ] as const) {
    among.take(reference.narrow(0, from, count));
  }
  const { distances, rows } = among.finish();
  const exact = [plain, mirrored].map((x) => torch.cdist(x, reference, { p: 2, computeMode: 2 }));
  const [nearest, places] = torch.minimum(exact[0]!, exact[1]!).topk(4, 1, { largest: false });
  t.true(torch.allclose(torch.tensor(distances, { dtype: 'float64' }), nearest, 1e-9, 1e-9));
  t.deepEqual(
    rows,
    (places.tolist() as (number | bigint)[][]).map((row) => row.map(Number)),
  );
});

test('fewer rows than are asked for are all found, and other widths are refused', (t) => {
  const among = new NearestAmong([draw(2, 3)], 5);
  t.throws(() => among.take(draw(4, 2)), {
    instanceOf: torch.ShapeError,
    message: /features of 3 values, got 2/,
  });
  t.throws(() => among.finish(), { instanceOf: RangeError });
  among.take(draw(2, 3));
  t.deepEqual(
    among.finish().rows.map((row) => row.sort((a, b) => a - b)),
    [
      [0, 1],
      [0, 1],
    ],
  );
});

test('a distance counts as near below the 1st percentile of held-out images', (t) => {
  const heldOut = Array.from({ length: 101 }, (_, i) => 1 + i / 100); // 1st percentile 1.01
  const figures = copyFigures([0.5, 1.005, 1.02, 3], heldOut);
  t.like(figures, { heldOutToTraining: 1.5, near: 1.01, copied: 0.5 });
  t.true(Math.abs(figures['toTraining']! - 1.0125) < 1e-12);
  t.deepEqual(Object.keys(copyFigures([1, 2], null)), ['toTraining']);
});

test('pixels are averaged to 32 × 32, and their distance is the root mean square of the differences', (t) => {
  const image = torch.rand([1, 3, 64, 64], { generator }).sub(0.5);
  const [a, b] = [pixelFeatures(image), pixelFeatures(image.add(0.25))];
  t.deepEqual(a.shape, [1, 3 * 32 * 32]);
  t.true(Math.abs(torch.linalgVectorNorm(b.sub(a)).item() - 0.25) < 1e-6);
  t.deepEqual(pixelFeatures(torch.zeros([2, 1, 16, 16])).shape, [2, 256]);
});
