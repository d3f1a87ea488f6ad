import test from 'ava';
import { assertChecks } from '../golden/assert.js';
import { goldenTensors } from '../golden/data.js';
import { checkTrajectory, drawLpipsWeights, golden, joined, makeModel } from '../golden/vqgan.js';

test('the reference’s training in float64, up to the second step with a discriminator', async (t) => {
  const made = makeModel();
  made.model.loadStateDict(joined(await goldenTensors('vqgan-weights'), drawLpipsWeights()));
  // All twelve steps, and the weights after them: npm run test:long -- trajectory
  const steps = golden.config.loss.disc_start + 2;
  assertChecks(t, checkTrajectory(made, await goldenTensors('vqgan-trajectory'), steps));
});
