import test from 'ava';
import { Ranks } from '../../torch/ranks.js';
import { compareSteps, type StepCase } from '../data-parallel-steps.js';

const two = new Ranks();
test.before(() => two.join(60));
test.after.always(() => two.end());

const cases: StepCase[] = [
  { kind: 'onePassStep', quantizer: 'EMAVQ', accumulate: 2 },
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
