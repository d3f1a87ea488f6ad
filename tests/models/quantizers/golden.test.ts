import test from 'ava';
import { checkActnorm } from '../../golden/actnorm.js';
import { assertChecks } from '../../golden/assert.js';
import { below, goldenConfig, goldenTensors, need } from '../../golden/data.js';
import {
  checkEma,
  checkGumbel,
  checkRemap,
  checkVectorQuantizer,
  emaStart,
} from '../../golden/quantizers.js';
import { gumbelWeights } from '../../golden/stage1-subjects.js';
import { EMAVectorQuantizer } from '../../../src/models/quantizers/ema.js';

const data = await goldenTensors('quantizers');
const codebook = new Map([['embedding.weight', need(data, 'vq.codebook')]]);

test('the gradient-trained codebook, legacy and corrected', (t) => {
  assertChecks(t, checkVectorQuantizer(codebook, data));
});

test('remapping to used codes and back', (t) => {
  assertChecks(t, checkRemap(codebook, data));
});

test('the moving-average codebook over five updates', (t) => {
  assertChecks(t, checkEma(emaStart(data), data));
  const fresh = new EMAVectorQuantizer({ nEmbed: 12, embedDim: 6, beta: 0.25 });
  t.deepEqual([...fresh.stateDict().keys()], goldenConfig().emaKeys);
});

test('the Gumbel codebook', (t) => {
  assertChecks(t, checkGumbel(gumbelWeights(data), data));
});

test('the discriminator with ActNorm', async (t) => {
  const extras = await goldenTensors('extras');
  assertChecks(t, checkActnorm(below(extras, 'actnorm.weights.'), extras));
});
