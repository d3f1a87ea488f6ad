import test from 'ava';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import { Labelator } from '../../src/models/conditions/class.js';
import { CoordStage } from '../../src/models/conditions/coordinates.js';
import { SOSProvider } from '../../src/models/conditions/none.js';
import { DummyCondStage } from '../../src/models/conditions/tokens.js';
import { Net2NetTransformer } from '../../src/models/two-stage.js';
import type { Net2NetTransformerConfig } from '../../src/models/two-stage.js';
import { AlternateParsingPermuter, ZCurvePermuter } from '../../src/models/orders/permuter.js';
import { logImages, sampleImages, sampleTokens } from '../../src/sampling/images.js';
import { goldenTensors, relativeError, values } from '../golden/data.js';
import { makeGpt } from '../golden/gpt.js';
import { GridStage, net2netFixture } from '../golden/net2net.js';

const weights = await goldenTensors('gpt-weights');
const fixture = await net2netFixture();
const grid = { H: 4, W: 4 };

function make(config: Partial<Net2NetTransformerConfig>): Net2NetTransformer {
  return new Net2NetTransformer({
    transformerConfig: makeGpt(weights),
    firstStageConfig: new GridStage(),
    ...config,
  }).eval();
}

const classModel = (config: Partial<Net2NetTransformerConfig> = {}) =>
  make({ condStageConfig: new Labelator({ nClasses: 20 }), ...config });

const integers = (tensor: Tensor) => tensor.tolist();

const cases: [name: string, model: () => Net2NetTransformer, condition: () => Tensor][] = [
  [
    'sos',
    () => make({ unconditional: true, sosToken: 7, permuterConfig: new ZCurvePermuter(grid) }),
    () => fixture('images'),
  ],
  ['class', classModel, () => fixture('class.labels')],
  [
    'coord',
    () =>
      make({
        condStageConfig: new CoordStage({ nEmbed: 48, downFactor: 4 }),
        permuterConfig: new AlternateParsingPermuter(grid),
      }),
    () => fixture('coord.coordinates'),
  ],
  [
    'resized',
    () => make({ condStageConfig: '__is_first_stage__', downsampleCondSize: 4 }),
    () => fixture('resized.images'),
  ],
];

for (const [name, model, condition] of cases) {
  test(`${name}: condition tokens, targets and logits`, (t) => {
    const net = model();
    torch.scope(() => {
      t.deepEqual(integers(net.encodeToC(condition()).indices), integers(fixture(`${name}.condition`)));
      const { logits, targets } = net.forward(fixture('images'), condition());
      t.deepEqual(integers(targets), integers(fixture(`${name}.targets`)));
      t.true(relativeError(values(logits), values(fixture(`${name}.logits`))) < 1e-10);
    });
  });
}

test('pkeep replaces what the transformer sees in training, never the targets', (t) => {
  const net = classModel({ pkeep: 0.6 });
  torch.scope(() => {
    const run = () => net.forward(fixture('images'), fixture('class.labels'));
    t.true(relativeError(values(run().logits), values(fixture('class.logits'))) < 1e-10);
    net.train();
    torch.manualSeed(31);
    const { logits, targets } = run();
    t.deepEqual(integers(targets), integers(fixture('class.targets')));
    t.true(relativeError(values(logits), values(fixture('pkeep.logits'))) < 1e-10);
  });
});

test('codes decode back in grid order', (t) => {
  const net = make({ unconditional: true, permuterConfig: new ZCurvePermuter(grid) });
  const { indices, quantized } = net.encodeToZ(fixture('images'));
  t.deepEqual(quantized.shape, [2, 1, 4, 4]);
  t.deepEqual(integers(net.decodeToImg(indices)), integers(fixture('images')));
  const wide = make({ unconditional: true });
  t.deepEqual(wide.decodeToImg(indices, [2, 8]).shape, [2, 1, 2, 8]);
  t.throws(() => wide.decodeToImg(indices.narrow(1, 0, 15)), { message: /4×4 grid/ });
});

test('frozen stages stay in evaluation mode and get no gradients', (t) => {
  const first = new GridStage();
  const net = new Net2NetTransformer({
    transformerConfig: makeGpt(weights),
    firstStageConfig: first,
    condStageConfig: '__is_first_stage__',
  });
  net.train();
  first.train();
  t.true(net.transformer.training);
  t.false(first.training);
  t.false(first.dropout.training);
  t.false(first.scale.requiresGrad);
  const keys = [...net.stateDict().keys()];
  t.deepEqual(keys.slice(0, 3), ['first_stage_model.scale', 'cond_stage_model.scale', 'transformer.pos_emb']);
});

test('unconditional models take the first stage’s key', (t) => {
  const net = make({ unconditional: true, firstStageKey: 'picture', condStageKey: 'depth' });
  t.is(net.condStageKey, 'picture');
  const x = fixture('images');
  const inputs = net.inputs({ picture: x });
  t.is(inputs.x, x);
  t.is(inputs.c, x);
  t.throws(() => classModel({ condStageKey: 'label' }).inputs({ image: x }), {
    message: /no "label"; it has image/,
  });
});

test('sampling repeats the draws of a seed, with and without the cache', (t) => {
  const net = classModel();
  const options = { temperature: 0.9, topK: 20, topP: 0.95 };
  const condition = net.encodeToC(fixture('class.labels')).indices;
  for (const cache of [true, false]) {
    torch.manualSeed(12);
    t.deepEqual(
      integers(sampleTokens(net, condition, 16, { ...options, cache })),
      integers(fixture('sampled')),
    );
    const generator = new torch.Generator().manualSeed(12);
    t.deepEqual(
      integers(sampleTokens(net, condition, 16, { ...options, cache, generator })),
      integers(fixture('sampled')),
    );
    const prefix = fixture('class.targets').narrow(1, 0, 8);
    t.deepEqual(
      integers(sampleTokens(net, condition, 8, { prefix, greedy: true, cache })),
      integers(fixture('halfGreedy')),
    );
  }
});

test('images are sampled on the grid asked for', (t) => {
  const net = classModel();
  const condition = net.encodeToC(fixture('class.labels')).indices;
  const before = torch.memory().tensors;
  const images = sampleImages(net, condition, { grid: [3, 5] });
  t.is(torch.memory().tensors, before + 1);
  t.deepEqual(images.shape, [2, 1, 3, 5]);
  const log = logImages(net, fixture('images'), fixture('class.labels'), { count: 1 });
  for (const picture of Object.values(log) as Tensor[]) t.deepEqual(picture.shape, [1, 1, 4, 4]);
  t.deepEqual(integers(log.reconstructions), integers(fixture('images').narrow(0, 0, 1)));
  t.deepEqual(
    integers(log.samplesHalf.narrow(2, 0, 2)),
    integers(fixture('images').narrow(0, 0, 1).narrow(2, 0, 2)),
  );
});

test('a model that never saw image tokens samples in one pass', (t) => {
  const net = classModel({ pkeep: 0 });
  const condition = net.encodeToC(fixture('class.labels')).indices;
  const tokens = sampleTokens(net, condition, 16);
  t.deepEqual([tokens.shape, tokens.dtype], [[2, 16], 'int64']);
});

test('condition stages', (t) => {
  t.deepEqual(integers(new SOSProvider({ sosToken: 3 }).encode(torch.zeros([2, 5])).indices), [[3], [3]]);
  t.deepEqual(integers(new Labelator({ nClasses: 4 }).encode(torch.tensor([1, 2])).indices), [[1], [2]]);
  const tokens = torch.tensor([[1n, 2n]]);
  t.is(new DummyCondStage({ conditionalKey: 'boxes' }).encode(tokens).indices, tokens);
  const coordinates = new CoordStage({ nEmbed: 10, downFactor: 2 });
  const { quantized, indices } = coordinates.encode(torch.full([1, 1, 4, 2], 0.52));
  t.deepEqual(integers(indices), [[[[5], [5]]]]);
  t.deepEqual(coordinates.decode(quantized).shape, [1, 1, 4, 2]);
  t.is(coordinates.decode(quantized).max().item(), 0.5);
  t.throws(() => coordinates.encode(torch.zeros([1, 3, 4, 4])), { message: /\[batch, 1, height, width\]/ });
  t.throws(() => new Labelator({ nClasses: 4 }).encode(torch.zeros([1, 4])), { message: /labels \[batch\]/ });
  t.throws(() => new SOSProvider({ sosToken: -1 }), { message: /sosToken/ });
});

test('missing parts are named', (t) => {
  const transformerConfig = makeGpt(weights);
  const firstStageConfig = new GridStage();
  t.throws(() => new Net2NetTransformer({ transformerConfig, firstStageConfig }), {
    message: /condStageConfig/,
  });
  t.throws(() => make({ unconditional: true, pkeep: 1.5 }), { message: /pkeep/ });
});

test('parts go by the reference’s names or by our own, not by both', (t) => {
  const parts = { prior: makeGpt(weights), firstStage: new GridStage() };
  const condition = new Labelator({ nClasses: 20 });
  const order = new ZCurvePermuter(grid);
  const net = new Net2NetTransformer({ ...parts, condition, order, pkeep: 0.5 });
  t.is(net.transformer, parts.prior);
  t.is(net.firstStageModel, parts.firstStage);
  t.is(net.condStageModel, condition);
  t.is(net.permuter, order);
  t.is(net.config.firstStageConfig, parts.firstStage);
  t.throws(() => new Net2NetTransformer({ ...parts, condition, condStageConfig: condition }), {
    instanceOf: TypeError,
    message: 'Net2NetTransformer: condition and condStageConfig name the same part; pass only one of them',
  });
});
