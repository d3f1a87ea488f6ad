import test from 'ava';
import { Labelator } from '../../../src/models/conditions/class.js';
import { VectorStage } from '../../../src/models/conditions/vectors.js';
import { priors } from '../../../src/models/priors/index.js';
import { modelFromConfig } from '../../../src/models/registry/from-config.js';
import { Net2NetTransformer } from '../../../src/models/two-stage.js';
import { describeWeights } from '../../../src/models/weights/describe.js';
import { sampleImages, sampleTokens } from '../../../src/sampling/images.js';
import { generate, TokenSampler } from '../../../src/sampling/sampler.js';
import { tokenLogProbabilities } from '../../../src/sampling/variations.js';
import * as torch from '../../../src/torch/index.js';
import {
  decayGroups,
  transformerOptimizer,
  transformerStep,
} from '../../../src/training/stages/transformer/step.js';
import { firstStages } from '../../sampling/first-stages.js';
import { RecurrentPrior } from './recurrent.js';

/** Arguments of each, as a configuration has them. */
const params: Record<string, Record<string, unknown>> = {
  GPT: { vocab_size: 12, block_size: 16, n_layer: 1, n_head: 2, n_embd: 8 },
};

for (const [name, { Class, target = `tessera.priors.${name}`, describe }] of Object.entries(priors)) {
  test(`${name}: of a configuration`, (t) => {
    t.truthy(params[name], 'add its arguments to the table above');
    const prior = modelFromConfig(
      { target, params: params[name]! },
      { init: false },
    ) as unknown as RecurrentPrior;
    t.true(prior instanceof Class);
    t.deepEqual([prior.vocabSize, prior.blockSize, prior.nCodes], [12, 16, 12]);
    t.deepEqual(torch.noGrad(() => prior.forward(torch.zeros([2, 3], { dtype: 'int64' }))).shape, [2, 3, 12]);
    const shapes = new Map([...prior.stateDict()].map(([key, tensor]) => [key, tensor.shape]));
    if (describe) t.deepEqual(describeWeights(shapes), [describe(shapes)!]);
  });
}

function netOf(prior: RecurrentPrior): Net2NetTransformer<RecurrentPrior> {
  return new Net2NetTransformer({
    prior,
    firstStage: firstStages.VQModel.make(),
    condition: new Labelator({ nClasses: 12 }),
  });
}

function recurrentNet(): Net2NetTransformer<RecurrentPrior> {
  torch.manualSeed(2);
  return netOf(new RecurrentPrior({ vocabSize: 12, blockSize: 16 }));
}

test('a prior of another kind is trained by transformerStep', (t) => {
  const net = recurrentNet().train();
  t.is(net.transformer.nCodes, 8, 'the codes of the first stage');
  const { decay, noDecay } = decayGroups(net.transformer);
  t.deepEqual(
    decay.map(([name]) => name),
    ['cell.weight_hh', 'cell.weight_ih', 'head.weight'],
  );
  t.is(noDecay.length, 4);
  const optimizer = transformerOptimizer(net.transformer, { lr: 1e-2 });
  const batch = { x: torch.rand([2, 3, 8, 8]), c: torch.tensor([1n, 2n]) };
  const losses = [1, 2, 3].map(() => transformerStep(net, optimizer, batch).loss.item());
  t.true(losses[2]! < losses[0]!, String(losses));
});

test('a prior without a cache is drawn from', (t) => {
  const net = recurrentNet().eval();
  const prior = net.transformer;
  const start = torch.tensor([[9n], [3n]]);
  const tokens = generate(prior, start, 6, { greedy: true });
  t.deepEqual(tokens.shape, [2, 7]);
  for (let at = 1; at < 7; at++) {
    const logits = torch.noGrad(() => prior.forward(tokens.narrow(1, 0, at), { lastOnly: true }));
    const likeliest = logits.narrow(2, 0, 8).argmax(-1);
    t.deepEqual(likeliest.flatten().toTypedArray(), tokens.select(1, at).toTypedArray());
  }
  using sampler = new TokenSampler(prior, { batch: 2, greedy: true });
  t.deepEqual(sampler.sample(start, 6).toTypedArray(), tokens.toTypedArray());
  t.is(sampler.eagerReason, null, 'nothing is to be recorded on a CPU');
  const record = (work: () => void) => ({ run: work, dispose: () => {} });
  using recording = new TokenSampler(prior, { batch: 2, record });
  t.is(recording.eagerReason, 'the model has no cache, or no qkv');
  prior.nCodes = 2;
  t.true(Number(sampler.sample(start, 6).narrow(1, 1, 6).max().item()) < 2);
});

test('a second stage with another prior samples images, also from windows', (t) => {
  const net = recurrentNet().eval();
  const condition = net.encodeToC(torch.tensor([1n, 2n])).indices;
  const tokens = sampleTokens(net, condition, 4, { topK: 4, seeds: [1, 2] });
  t.deepEqual(tokens.shape, [2, 4]);
  t.deepEqual(tokenLogProbabilities(net, tokens, condition).shape, [2, 4]);
  t.deepEqual(sampleImages(net, condition, { grid: [2, 2] }).shape, [2, 3, 4, 4]);
  const map = new Net2NetTransformer({
    prior: net.transformer,
    firstStage: firstStages.VQModel.make(),
    condition: firstStages.VQModel.make(),
  }).eval();
  const codes = map.encodeToC(torch.rand([1, 3, 8, 8])).indices;
  t.deepEqual(sampleImages(map, codes, { grid: [4, 4], window: 2 }).shape, [1, 3, 8, 8]);
});

test('a condition that embeds needs a prior that takes vectors', (t) => {
  const prior = new RecurrentPrior({ vocabSize: 12, blockSize: 16 });
  const ofWidth = new VectorStage({ dim: 3, nEmbd: 16 });
  const ofUnknownWidth = Object.defineProperty(new VectorStage({ dim: 3, nEmbd: 16 }), 'nEmbd', {
    value: undefined,
  });
  for (const condition of [ofWidth, ofUnknownWidth]) {
    const error = t.throws(
      () => new Net2NetTransformer({ prior, firstStage: firstStages.VQModel.make(), condition }),
    );
    t.regex(error.message, /takes tokens only/);
  }
});
