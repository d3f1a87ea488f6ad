import test from 'ava';
import { AlternateParsingPermuter } from '../../src/models/orders/permuter.js';
import type { Net2NetTransformer } from '../../src/models/two-stage.js';
import { filterLogits, pickToken, type PickOptions } from '../../src/sampling/logits.js';
import { generate, TokenSampler } from '../../src/sampling/sampler.js';
import { logImages, sampleImages, sampleTokens } from '../../src/sampling/images.js';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import { classNet, firstStages, type NetOptions } from './first-stages.js';

/** Condition tokens, two of which are no codes of any first stage. */
const condition = torch.tensor([[11n], [3n], [10n]]);

const picks: Record<string, PickOptions> = {
  'one draw of all': {},
  'the likeliest': { greedy: true },
  'some of the likeliest': { topK: 2, topP: 0.9, temperature: 0.7 },
};

const replaying = (work: () => void) => ({ run: work, dispose() {} });

const engines: Record<string, (net: Net2NetTransformer, pick: PickOptions) => Tensor> = {
  generate: (net, pick) => generate(net.transformer, condition, 15, pick).narrow(1, 1, 15),
  'generate without a cache': (net, pick) =>
    generate(net.transformer, condition, 15, { ...pick, cache: false }).narrow(1, 1, 15),
  TokenSampler: (net, pick) => {
    using sampler = new TokenSampler(net.transformer, { batch: 3, ...pick });
    return sampler.sample(condition, 15).narrow(1, 1, 15);
  },
  'TokenSampler with recorded steps, in sampleTokens': (net, pick) => {
    using sampler = new TokenSampler(net.transformer, { batch: 3, bucket: 8, record: replaying, ...pick });
    return sampleTokens(net, condition, 15, { sampler });
  },
  sampleTokens: (net, pick) => sampleTokens(net, condition, 15, pick),
  'sampleTokens after given tokens': (net, pick) =>
    sampleTokens(net, condition, 11, { ...pick, prefix: torch.ones([3, 4], { dtype: 'int64' }) }),
};

for (const [first, { codes }] of Object.entries(firstStages)) {
  test(`tokens are codes alone where the vocabulary holds classes too: ${first}`, (t) => {
    const net = classNet(first as keyof typeof firstStages);
    for (const [engine, draw] of Object.entries(engines)) {
      for (const [how, pick] of Object.entries(picks)) {
        const drawn = draw(net, pick);
        t.deepEqual(drawn.shape, [3, 15]);
        t.true(Number(drawn.max().item()) < codes, `${engine}, ${how}: ${drawn.max().item()} of ${codes}`);
      }
    }
  });
}

const orders: Record<string, NetOptions> = {
  'all at once': { pkeep: 0 },
  'with an unmasked prefix': { nUnmasked: 4 },
  'by turns from left and right': { permuterConfig: new AlternateParsingPermuter({ H: 4, W: 4 }) },
};

for (const [order, options] of Object.entries(orders)) {
  test(`images of classes are drawn in any order: ${order}`, (t) => {
    const net = classNet('VQModel', options);
    for (const pick of Object.values(picks)) {
      t.deepEqual(sampleImages(net, condition, { grid: [4, 4], ...pick }).shape, [3, 3, 8, 8]);
      const prefix = torch.ones([3, 5], { dtype: 'int64' });
      t.deepEqual(sampleImages(net, condition, { grid: [4, 4], prefix, ...pick }).shape, [3, 3, 8, 8]);
    }
  });
}

test('the images of a training run are made of codes', (t) => {
  const net = classNet('VQModel with a remapped codebook');
  const log = logImages(net, torch.randn([2, 3, 8, 8]), torch.tensor([11n, 9n]));
  for (const images of Object.values(log)) t.deepEqual((images as Tensor).shape, [2, 3, 8, 8]);
});

test('without a first stage every id is drawn, unless codes are counted', (t) => {
  const logits = torch.arange(6, { dtype: 'float32' }).reshape([1, 6]);
  t.is(pickToken(logits, { greedy: true }).item(), 5);
  t.is(pickToken(logits, { greedy: true, nCodes: 4 }).item(), 3);
  t.deepEqual(filterLogits(logits, { nCodes: 2 }).tolist(), [[0, 1, ...Array<number>(4).fill(-Infinity)]]);
  t.deepEqual(filterLogits(logits, { nCodes: 9 }).tolist(), logits.tolist());
  t.throws(() => generate(classNet('VQModel').transformer, condition, 1, { nCodes: 0 }), {
    instanceOf: RangeError,
    message: /nCodes must be a positive integer/,
  });
});
