import test from 'ava';
import { Ranks } from '../../torch/ranks.js';
import { faultsOf, overlapOf, weightsBothWays, type StepCase } from '../../training/data-parallel-steps.js';

const two = new Ranks();
test.before(() => two.join(60));
test.after.always(() => two.end());

const cases: StepCase[] = [
  { kind: 'onePassStep', quantizer: 'EMAVQ' },
  { kind: 'referenceStep', useActnorm: true, lecamLossWeight: 1 },
  { kind: 'transformer' },
];
for (const given of cases)
  for (const accumulate of [1, 2])
    for (const lowered of [false, true]) {
      const each = { ...given, accumulate, lowered };
      const title = Object.values(each).join(', ');
      test.serial(`averages inside backward are those made after it, bit for bit: ${title}`, async (t) => {
        const [first, second] = await weightsBothWays(two, each);
        t.deepEqual(first![0], first![1]);
        t.deepEqual(first, second);
      });
      test.serial(`averaging begins before the last gradient is computed: ${title}`, async (t) => {
        for (const times of await overlapOf(two, each))
          for (const [name, found] of Object.entries(times)) t.deepEqual(faultsOf(found), [], name);
      });
    }
