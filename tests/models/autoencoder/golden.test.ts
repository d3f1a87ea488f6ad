import test from 'ava';
import { bounds, goldenTensors } from '../../golden/data.js';
import { checkForwards, checkGradients, drawLpipsWeights, joined, makeModel } from '../../golden/vqgan.js';
import { assertChecks } from '../../golden/assert.js';

const weights = joined(await goldenTensors('vqgan-weights'), drawLpipsWeights());

test('forwards in float64 are the reference’s', async (t) => {
  const golden = makeModel();
  golden.model.loadStateDict(weights);
  assertChecks(t, checkForwards(golden, await goldenTensors('vqgan-io'), bounds.float64));
});

test('forwards in float32 are the reference’s', async (t) => {
  const golden = makeModel('float32');
  golden.model.loadStateDict(weights);
  assertChecks(t, checkForwards(golden, await goldenTensors('vqgan-io-float32'), bounds.float32));
});

test('gradients of both losses are the reference’s', async (t) => {
  const golden = makeModel();
  golden.model.loadStateDict(weights);
  assertChecks(t, checkGradients(golden, await goldenTensors('vqgan-io')));
});
