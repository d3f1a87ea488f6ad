import test from 'ava';
import * as torch from '../../../src/torch/index.js';
import { SGD } from '../../../src/torch/optim/index.js';
import { DataParallelOptimizer } from '../../../src/training/engine/data-parallel.js';
import { Ranks } from '../../torch/ranks.js';
import { compareSteps, faultsOf, overlapOf, weightsBothWays, type StepCase } from '../data-parallel-steps.js';

const two = new Ranks();
test.before(() => two.join(60));
test.after.always(() => two.end());

const cases: StepCase[] = [
  { kind: 'onePassStep', quantizer: 'EMAVQ', accumulate: 2 },
  { kind: 'onePassStep', quantizer: 'LFQ' },
  { kind: 'onePassStep', quantizer: 'BSQ', accumulate: 2 },
  { kind: 'onePassStep', quantizer: 'MultiScaleVQ' },
  { kind: 'onePassStep', quantizer: 'VectorQuantize', accumulate: 2 },
  { kind: 'referenceStep', useActnorm: true, lecamLossWeight: 1 },
  { kind: 'transformer', accumulate: 2 },
];
for (const given of cases)
  test.serial(
    `two processes train as one with the joint batch: ${Object.values(given).join(', ')}`,
    async (t) => {
      for (const { weights, logs, moved } of await compareSteps(two, given, 2)) {
        t.true(weights < 1e-8 && logs < 1e-8, `weights ${weights}, logs ${logs}`);
        t.true(moved > 1e-4, `moved by ${moved}`);
      }
    },
  );

const title = (given: StepCase) => Object.values(given).join(', ');

const overlapped: StepCase[] = [
  { kind: 'onePassStep' },
  { kind: 'referenceStep', accumulate: 2 },
  { kind: 'transformer' },
];
for (const given of overlapped)
  test.serial(`averaging begins before the last gradient is computed: ${title(given)}`, async (t) => {
    for (const times of await overlapOf(two, given))
      for (const [name, each] of Object.entries(times)) t.deepEqual(faultsOf(each), [], name);
  });

const bothWays: StepCase[] = [
  { kind: 'referenceStep' },
  { kind: 'transformer', accumulate: 2 },
  { kind: 'transformer', accumulate: 2, lowered: true },
];
for (const given of bothWays)
  test.serial(
    `averages made inside backward and after it are the same, bit for bit: ${title(given)}`,
    async (t) => {
      const [first, second] = await weightsBothWays(two, given);
      t.deepEqual(first![0], first![1]);
      t.deepEqual(first, second);
    },
  );

/** Weights of two processes, of which only one, or none, has a gradient for the last of three. */
const unused: Record<string, [uses: string, expected: number | null]> = {
  'in one process': ['rank === 1', 1.5],
  'in all processes': ['false', null],
};
for (const [where, [uses, expected]] of Object.entries(unused))
  test.serial(`a weight without a gradient ${where} does not stop the others`, async (t) => {
    const results = await two.run(`
      const weights = Array.from({ length: 3 }, () => torch.ones([2], { requiresGrad: true }));
      const optimizer = new tessera.DataParallelOptimizer(new optim.SGD(weights, { lr: 1 }), { bucketCapMb: 1e-6 });
      for (let step = 0; step < 2; step++) {
        optimizer.zeroGrad();
        const [a, b, c] = weights;
        optimizer.prepareForBackward();
        const loss = a.mul(b.detach()).sum().add(b.mul(2).sum());
        (${uses} ? loss.add(c.mul(3).sum()) : loss).backward();
        optimizer.step();
        if (step === 0) torch.noGrad(() => weights.forEach((weight) => weight.fill_(1)));
      }
      return weights.map(({ grad }) => grad && grad.tolist()[0]);`);
    t.deepEqual(results, [
      [1, 2, expected],
      [1, 2, expected],
    ]);
  });

test('parameters of a network that are not those of the optimizer are refused', (t) => {
  const given = (...shapes: number[][]) => shapes.map((shape) => torch.zeros(shape, { requiresGrad: true }));
  const around = (computed: torch.Tensor[]) =>
    new DataParallelOptimizer(new SGD(given([2, 3], [3]), { lr: 1 }), { computed });
  t.notThrows(() => around(given([2, 3], [3])));
  for (const [computed, message] of [
    [given([2, 3]), /computed has 1 parameters, but the optimizer has 2: give the parameters of the network/],
    [given([2, 3], [3], [3]), /computed has 3 parameters, but the optimizer has 2/],
    [given([3], [2, 3]), /computed\[0\] is \[3\], but the optimizer's parameter 0 is \[2, 3\]/],
  ] as const)
    t.throws(() => around([...computed]), { instanceOf: torch.ArgumentError, message });
});
