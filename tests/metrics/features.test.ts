import test from 'ava';
import { featureStatistics, frechetDistance, statisticsDistance } from '../../src/metrics/frechet.js';
import { inceptionScore } from '../../src/metrics/inception-score.js';
import { kernelDistance, type RowSubsets } from '../../src/metrics/kernel-distance.js';
import { memorisation, nearestNeighbours } from '../../src/metrics/nearest-neighbours.js';
import { precisionRecall } from '../../src/metrics/precision-recall.js';
import * as torch from '../../src/torch/index.js';
import { equals, input, recorded } from './golden.js';

const [real, fake] = [input('features.real'), input('features.fake')];
const rows = (features: torch.Tensor, count: number) => features.narrow(0, 0, count);
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

test('FID as recorded, from features and from statistics', (t) => {
  for (const name of ['fid.scipySqrtm', 'fid.torchmetricsEig', 'fid.symmetricEigh']) {
    equals(t, frechetDistance(real, fake), name);
  }
  const [a, b] = [featureStatistics(real), featureStatistics(fake)];
  t.is(a.count, 40);
  t.true(torch.allclose(a.mean, input('features.realMean'), 1e-12, 1e-12));
  t.true(torch.allclose(b.covariance, input('features.fakeCovariance'), 1e-12, 1e-12));
  equals(t, statisticsDistance(a, b), 'fid.symmetricEigh');
  t.true(Math.abs(frechetDistance(real, real)) < 1e-12);
  equals(t, frechetDistance(real.float(), fake.float()), 'fid.symmetricEigh', 1e-4);
});

test('FID of fewer images than features', (t) => {
  const few = recorded('fid.rankDeficient.rows')[0]!;
  const [a, b] = [rows(real, few), rows(fake, few)];
  for (const name of ['symmetricEigh', 'scipySqrtm', 'torchmetricsEig']) {
    equals(t, frechetDistance(a, b), `fid.rankDeficient.${name}`, 1e-6);
    equals(
      t,
      statisticsDistance(featureStatistics(a), featureStatistics(b)),
      `fid.rankDeficient.${name}`,
      1e-6,
    );
  }
  t.true(Math.abs(frechetDistance(a, a)) < 1e-12);
});

test('KID as recorded: all rows, given subsets, biased', (t) => {
  const count = recorded('kid.full.rows')[0]!;
  const all: RowSubsets = [[upTo(count), upTo(count)]];
  t.deepEqual(kernelDistance(real, fake, { subsets: all }).std, 0);
  equals(t, kernelDistance(real, fake, { subsets: all }).mean, 'kid.full.torchmetrics');
  equals(t, kernelDistance(real, fake, { subsets: all, biased: true }).mean, 'kid.biased.full');
  const lists = (name: string) => input(name).tolist() as number[][];
  const [first, second] = [lists('features.kidRealRows'), lists('features.kidFakeRows')];
  const subsets = first.map((list, i) => [list, second[i]!] as const);
  const { mean, std } = kernelDistance(real, fake, { subsets });
  equals(t, mean, 'kid.subsets.mean');
  equals(t, std, 'kid.subsets.std');
});

test('random subsets of KID follow their seed, and none is a row twice', (t) => {
  const options = { subsets: 5, subsetSize: 20 };
  const value = (seed: number) => kernelDistance(real, fake, { ...options, seed });
  t.deepEqual(value(1), value(1));
  t.notDeepEqual(value(1), value(2));
  // All rows in any order are all rows.
  const whole = kernelDistance(rows(real, 36), fake, { subsets: 3 });
  equals(t, whole.mean, 'kid.full.torchmetrics');
  t.true(whole.std < 1e-12);
});

test('Inception Score as recorded', (t) => {
  const probabilities = input('logits.probabilities');
  for (const splits of [1, 2, 3, 10]) {
    const { mean, std } = inceptionScore(probabilities, { splits });
    equals(t, mean, `inceptionScore.splits${splits}.mean`);
    equals(t, std, `inceptionScore.splits${splits}.populationStd`);
  }
  const certain = torch.eye(4).double();
  t.true(Math.abs(inceptionScore(certain, { splits: 1 }).mean - 4) < 1e-12); // with probabilities of 0
});

for (const k of [3, 5]) {
  test(`precision, recall, density and coverage as recorded, k = ${k}`, (t) => {
    for (const [name, a, b] of [
      ['features', real, fake],
      ['grid', input('grid.real'), input('grid.fake')],
    ] as const) {
      for (const rule of ['prdc', 'improved'] as const) {
        const found = precisionRecall(a, b, { k, rule });
        for (const value of ['precision', 'recall', 'density', 'coverage'] as const) {
          if (rule === 'improved' && (value === 'density' || value === 'coverage')) continue;
          equals(t, found[value], `${rule}.${name}.k${k}.${value}`);
        }
      }
    }
  });
}

test('more rows than a block are compared like few', (t) => {
  const many = torch.randn([700, 3], { generator: new torch.Generator().manualSeed(1), dtype: 'float64' });
  const other = many.narrow(0, 100, 600).mul(1.5);
  const whole = torch.cdist(many, other, { p: 2, computeMode: 2 });
  const { distances, rows: nearest } = nearestNeighbours(many, other);
  t.true(torch.allclose(torch.tensor(distances, { dtype: 'float64' }), whole.amin([1]), 1e-12, 1e-12));
  t.deepEqual(nearest, whole.argmin(1).tolist() as number[]);
  const radii = torch.cdist(many, many, { p: 2, computeMode: 2 }).kthvalue(4, 1)[0]; // itself is the first
  const covered = whole.amin([1]).lt(radii).double().mean().item();
  t.is(precisionRecall(many, other, { k: 3 }).coverage, covered);
});

test('copies are found, and where they were copied from', (t) => {
  const generator = new torch.Generator().manualSeed(3);
  const draw = (count: number) => torch.randn([count, 6], { generator, dtype: 'float64' });
  const [training, heldOut, others] = [draw(60), draw(40), draw(20)];
  const copies = training.narrow(0, 10, 20).add(1e-6);
  const copied = memorisation(copies, training, { heldOut });
  t.deepEqual(
    copied.rows,
    upTo(20).map((i) => i + 10),
  );
  t.true(Math.abs(copied.distances[0]! - 1e-6 * Math.sqrt(6)) < 1e-12);
  t.deepEqual([copied.copied, copied.authenticity], [1, 0]);
  const honest = memorisation(others, training, { heldOut });
  t.true(honest.copied! <= 0.1 && honest.authenticity > 0.3, JSON.stringify(honest));
  t.true(Math.abs(honest.median / honest.medianHeldOut! - 1) < 0.3);
  t.is(memorisation(others, training).copied, null);
  t.is(nearestNeighbours(rows(training, 1), training).distances[0], 0);
});

const refusals: [what: string, call: () => unknown, message: RegExp][] = [
  ['one image', () => frechetDistance(rows(real, 1), fake), /at least 2 images, got \[1, 6\]/],
  [
    'features of two networks',
    () => frechetDistance(real, fake.narrow(1, 0, 5)),
    /features of the same network, got \[40, 6\] and \[36, 5\]/,
  ],
  ['NaN', () => frechetDistance(real.mul(NaN), fake), /were the weights of the network loaded/],
  ['maps', () => featureStatistics(torch.zeros([2, 3, 1, 1])), /takes features \[N, D\]/],
  ['a subset too large', () => kernelDistance(real, fake, { subsetSize: 37 }), /from 2 to 36.*got 37/],
  ['no subsets', () => kernelDistance(real, fake, { subsets: [] }), /subsets is empty/],
  ['a row too many', () => kernelDistance(real, fake, { subsets: [[[0, 40], [0, 1]]] }), /row 40/], // prettier-ignore
  ['logits', () => inceptionScore(input('logits.logits')), /of logits take \.softmax\(1\)/],
  [
    'more splits than images',
    () => inceptionScore(input('logits.probabilities'), { splits: 25 }),
    /from 1 to 24/,
  ],
  ['k too large', () => precisionRecall(real, fake, { k: 36 }), /from 1 to 35.*got 36/],
];
for (const [what, call, message] of refusals) {
  test(`refused: ${what}`, (t) => void t.throws(call, { message }));
}
