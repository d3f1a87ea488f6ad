/** Every reference file on the GPU, by the same checks and bounds as on the CPU. */
import {
  AlternateParsingPermuter,
  RandomPermuter,
  SpiralInPermuter,
  SpiralOutPermuter,
  SubsamplePermuter,
  ZCurvePermuter,
} from '../../src/models/orders/permuter.js';
import * as torch from '../../src/torch/index.js';
import { checkActnorm } from '../golden/actnorm.js';
import { assertChecks } from '../golden/assert.js';
import { below, bounds, goldenTensors, need } from '../golden/data.js';
import { checkGptForward, checkGptGreedy, checkTopK } from '../golden/gpt.js';
import { checkOperators } from '../golden/operators.js';
import { checkEma, checkGumbel, checkRemap, checkVectorQuantizer, emaStart } from '../golden/quantizers.js';
import { gumbelWeights } from '../golden/stage1-subjects.js';
import {
  checkForwards,
  checkGradients,
  checkTrajectory,
  drawLpipsWeights,
  joined,
  makeModel,
} from '../golden/vqgan.js';
import { device, onDevice } from './device.js';

const permuters = {
  Subsample: SubsamplePermuter,
  ZCurve: ZCurvePermuter,
  SpiralOut: SpiralOutPermuter,
  SpiralIn: SpiralInPermuter,
  Random: RandomPermuter,
  AlternateParsing: AlternateParsingPermuter,
};

const golden = (name: string) => goldenTensors(name, device);

async function loaded(dtype: 'float32' | 'float64') {
  const made = makeModel(dtype, device);
  made.model.loadStateDict(joined(await golden('vqgan-weights'), drawLpipsWeights()));
  return made;
}

onDevice('vqgan-io: forwards in float64', async (t) => {
  assertChecks(t, checkForwards(await loaded('float64'), await golden('vqgan-io'), bounds.float64));
});

onDevice('vqgan-io: gradients of both losses in float64', async (t) => {
  assertChecks(t, checkGradients(await loaded('float64'), await golden('vqgan-io')));
});

onDevice('vqgan-io-float32: forwards in float32', async (t) => {
  assertChecks(t, checkForwards(await loaded('float32'), await golden('vqgan-io-float32'), bounds.float32));
});

onDevice('vqgan-trajectory: the whole training run in float64', async (t) => {
  assertChecks(t, checkTrajectory(await loaded('float64'), await golden('vqgan-trajectory')));
});

onDevice('gpt-io: logits, loss, gradients, embeddings, logits in float32', async (t) => {
  assertChecks(t, checkGptForward(await golden('gpt-weights'), await golden('gpt-io')));
});

onDevice('gpt-io: greedy continuation with and without the cache, top-k', async (t) => {
  const io = await golden('gpt-io');
  assertChecks(t, [...checkGptGreedy(await golden('gpt-weights'), io), ...checkTopK(io)]);
});

onDevice(
  'quantizers: trained by gradients, remapped, moving averages, Gumbel from the stored noise',
  async (t) => {
    const data = await golden('quantizers');
    const codebook = new Map([['embedding.weight', need(data, 'vq.codebook')]]);
    assertChecks(t, [
      ...checkVectorQuantizer(codebook, data),
      ...checkRemap(codebook, data),
      ...checkEma(emaStart(data), data),
      ...checkGumbel(gumbelWeights(data), data, 'stored'),
    ]);
  },
);

onDevice('extras: the discriminator with ActNorm', async (t) => {
  const extras = await golden('extras');
  assertChecks(t, checkActnorm(below(extras, 'actnorm.weights.'), extras));
});

onDevice('extras: the orders of codes', async (t) => {
  const extras = await golden('extras');
  for (const [name, Class] of Object.entries(permuters)) {
    const permuter = new Class({ H: 8, W: 8 }).to(device);
    const row = torch.arange(64, { dtype: 'int64', device }).unsqueeze(0);
    t.deepEqual(permuter.forward(row).tolist(), [need(extras, `permuter.${name}.forward`).tolist()]);
    t.deepEqual(permuter.forward(row, true).tolist(), [need(extras, `permuter.${name}.backward`).tolist()]);
  }
});

onDevice('operators: every recorded call that has a kernel here', (t) => {
  const { ran, disagreements } = checkOperators(device);
  t.log(`${ran} calls`);
  t.deepEqual(disagreements, []);
});
