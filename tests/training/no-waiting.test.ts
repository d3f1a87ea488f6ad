/** A training step launches work and never reads from the device: on a GPU each read would wait for all that came before. */
import test from 'ava';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import { GPT } from '../../src/models/priors/gpt.js';
import { generate, TokenSampler } from '../../src/sampling/sampler.js';
import { Net2NetTransformer } from '../../src/models/two-stage.js';
import { Labelator } from '../../src/models/conditions/class.js';
import { resolveConfig } from '../../src/runs/config.js';
import { precisions } from '../../src/runs/setting-kinds.js';
import { transformerOptimizer, transformerStep } from '../../src/training/stages/transformer/step.js';
import { buildVqgan } from '../../src/training/stages/vqgan/build.js';
import { GridStage } from '../golden/net2net.js';
import { withoutReading } from '../torch/without-reading.js';
import { vqganConfig } from './tiny.js';

test('reading is noticed', (t) => {
  const x = torch.ones([]);
  t.throws(() => withoutReading(t, () => x.item()), { message: /waits/ });
  t.is(x.item(), 1);
});

for (const precision of precisions) {
  for (const step of ['one-pass', 'reference']) {
    test(`a ${step} step of VQGAN in ${precision}`, (t) => {
      const parts = buildVqgan(
        resolveConfig('vqgan', vqganConfig({ step, nonFinite: 'skip' })),
        precision,
        'cpu',
        true,
      );
      const batch = torch.rand([2, 3, 16, 16]);
      const losses: number[] = [];
      for (const globalStep of [0, 1]) {
        torch.scope(() => {
          let loss: Tensor | undefined;
          withoutReading(t, () => {
            parts.check!.around(globalStep + 1, () => {
              const log = parts.step(batch, globalStep);
              loss = log.totalLoss;
              return log.losses;
            });
          });
          losses.push(loss!.item());
        });
      }
      t.true(losses.every(Number.isFinite) && losses[0] !== losses[1]);
    });
  }
}

test('a step of the transformer, dropout included', (t) => {
  const gpt = new GPT({
    vocabSize: 20,
    blockSize: 16,
    nLayer: 2,
    nHead: 2,
    nEmbd: 16,
    embdPdrop: 0.1,
    attnPdrop: 0.1,
  });
  const net = new Net2NetTransformer({
    transformerConfig: gpt,
    firstStageConfig: new GridStage(),
    condStageConfig: new Labelator({ nClasses: 20 }),
    pkeep: 0.9,
  }).train();
  const optimizer = transformerOptimizer(gpt, { lr: 1e-3 });
  const tokens = {
    z: torch.randint(0, 20, [2, 15], { dtype: 'int64' }),
    c: torch.randint(0, 20, [2, 1], { dtype: 'int64' }),
  };
  const before = gpt.head.weight.detach().clone();
  withoutReading(t, () => torch.scope(() => transformerStep(net, optimizer, { tokens })));
  t.true(before.ne(gpt.head.weight).any().item());
});

test('sampling a whole sequence', (t) => {
  const gpt = new GPT({ vocabSize: 20, blockSize: 16, nLayer: 2, nHead: 2, nEmbd: 16 });
  const start = torch.zeros([3, 1], { dtype: 'int64' });
  const pick = { topK: 5, topP: 0.9, temperature: 0.9 };
  using sampler = new TokenSampler(gpt, { batch: 3, ...pick });
  // The one look at the end of a call, whether all logits were numbers, is not by these methods; on the CPU, where nothing
  // has to be waited for, there is one after each token.
  withoutReading(t, () => {
    for (const cache of [true, false]) generate(gpt, start, 12, { cache, ...pick });
    sampler.sample(start, 12);
  });
  t.pass();
});
