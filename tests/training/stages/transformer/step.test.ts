import test from 'ava';
import * as torch from '../../../../src/torch/index.js';
import { Labelator } from '../../../../src/models/conditions/class.js';
import { Net2NetTransformer } from '../../../../src/models/two-stage.js';
import { GPT } from '../../../../src/models/priors/gpt.js';
import {
  transformerLoss,
  transformerOptimizer,
  transformerStep,
} from '../../../../src/training/stages/transformer/step.js';
import { goldenTensors, relativeError, values } from '../../../golden/data.js';
import { makeGpt } from '../../../golden/gpt.js';
import { GridStage, net2netFixture } from '../../../golden/net2net.js';

const weights = await goldenTensors('gpt-weights');
const fixture = await net2netFixture();

function make(gpt: GPT): Net2NetTransformer {
  return new Net2NetTransformer({
    transformerConfig: gpt,
    firstStageConfig: new GridStage(),
    condStageConfig: new Labelator({ nClasses: 20 }),
  });
}

test('the loss is the mean negative log-likelihood of the image codes', (t) => {
  const net = make(makeGpt(weights));
  const loss = transformerLoss(net, { x: fixture('images'), c: fixture('class.labels') });
  const logProbabilities = fixture('class.logits').logSoftmax(-1);
  const expected = logProbabilities.gather(-1, fixture('class.targets').unsqueeze(-1)).mean().neg();
  t.true(relativeError(values(loss), values(expected)) < 1e-12);
  const tokens = { z: fixture('class.targets'), c: fixture('class.condition') };
  t.is(transformerLoss(net, { tokens }).item(), loss.item());
});

test('the optimizer decays linear weights only, by 0.01, with betas 0.9 and 0.95', (t) => {
  const gpt = makeGpt(weights);
  const optimizer = transformerOptimizer(gpt, { lr: 1e-3 });
  const [decay, noDecay] = optimizer.paramGroups;
  t.deepEqual([decay!.weightDecay, noDecay!.weightDecay, decay!.lr], [0.01, 0, 1e-3]);
  t.deepEqual([...decay!.betas], [0.9, 0.95]);
  t.deepEqual([decay!.params.length, noDecay!.params.length], [19, 34]);
});

test('a small model learns a batch by heart; steps leave no tensors behind', (t) => {
  torch.manualSeed(1);
  const gpt = new GPT({ vocabSize: 48, blockSize: 16, nLayer: 2, nHead: 2, nEmbd: 32 });
  const net = make(gpt).train();
  const optimizer = transformerOptimizer(gpt, { lr: 1e-2 });
  const batch = { x: fixture('images').float(), c: fixture('class.labels') };
  const step = () => torch.scope(() => transformerStep(net, optimizer, batch).loss.item());
  const first = step();
  t.true(Math.abs(first - Math.log(48)) < 0.1);
  step();
  const before = torch.memory().tensors;
  let last = first;
  for (let i = 0; i < 60; i++) last = step();
  t.is(torch.memory().tensors, before);
  t.true(last < 0.2, `loss ${last}`);
});
