import test from 'ava';
import { assertChecks } from '../golden/assert.js';
import { goldenTensors } from '../golden/data.js';
import { checkTrajectory, drawLpipsWeights, joined, makeModel } from '../golden/vqgan.js';

test('twelve steps of the reference’s training, in float64', async (t) => {
  const golden = makeModel();
  golden.model.loadStateDict(joined(await goldenTensors('vqgan-weights'), drawLpipsWeights()));
  assertChecks(t, checkTrajectory(golden, await goldenTensors('vqgan-trajectory')));
});
