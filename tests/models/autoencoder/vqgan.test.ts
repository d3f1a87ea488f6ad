import test from 'ava';
import * as torch from '../../../src/torch/index.js';
import { EMAVQ, GumbelVQ, VQModel } from '../../../src/models/autoencoder/vqgan.js';
import { VQLPIPSWithDiscriminator } from '../../../src/models/losses/vqgan-loss.js';
import { onePassStep } from '../../../src/training/stages/vqgan/one-pass-step.js';
import { goldenBackbone, noOptimizers } from '../../golden/vqgan.js';

const ddconfig = { ...goldenBackbone(), zChannels: 8 };
const shape = { ddconfig, nEmbed: 16, embedDim: 8 };
const x = torch.keep(torch.rand([2, 3, 32, 48]).mul(2).sub(1));

const models = { VQModel, GumbelVQ, EMAVQ };
for (const [name, Model] of Object.entries(models)) {
  test(`${name} encodes, decodes and reconstructs any size its factor divides`, (t) => {
    const model = new Model(shape).eval();
    torch.noGrad(() => {
      const { quantized, loss, indices } = model.encode(x);
      t.deepEqual(quantized.shape, [2, 8, 16, 24]);
      t.is(loss.numel(), 1);
      t.deepEqual(indices.shape, [2, 16, 24]);
      t.is(indices.dtype, 'int64');
      t.deepEqual(model.decode(quantized).shape, [2, 3, 32, 48]);
      t.true(model.decodeIndices(indices).allclose(model.decode(quantized), 1e-4, 1e-5));
      const result = model.forward(x);
      t.deepEqual(result.reconstruction.shape, [2, 3, 32, 48]);
      t.deepEqual(result.indices.shape, [2, 16, 24]);
    });
  });

  test(`${name} takes a training step`, (t) => {
    const lossconfig = () =>
      new VQLPIPSWithDiscriminator({ discStart: 0, discNdf: 8, discNumLayers: 1, perceptualWeight: 0 });
    const model = new Model({ ...shape, lossconfig }).train();
    const log = onePassStep(model, noOptimizers, x, { globalStep: 0 });
    t.true(Number.isFinite(log.totalLoss.item()));
    t.true(model.generatorParameters().length > 0);
    t.true(model.generatorParameters().every(({ grad }) => grad !== null));
  });
}

test('remapped indices decode', (t) => {
  const model = new VQModel({ ...shape, remap: [3, 5, 9], unknownIndex: 'extra' }).eval();
  torch.noGrad(() => {
    const { indices } = model.encode(x);
    t.deepEqual(model.decodeIndices(indices).shape, [2, 3, 32, 48]);
  });
});

const weightings: [string, Record<string, unknown>, boolean][] = [
  ['no such setting', {}, true],
  ['one of them is false', { l2Norm: false }, true],
  ['l2Norm', { l2Norm: true }, false],
  ['usageWindow', { usageWindow: 8 }, false],
  ['l2Norm, and legacy given', { l2Norm: true, legacy: true }, true],
];
for (const [name, more, legacy] of weightings)
  test(`a VQModel weights the term that its settings of LlamaGen's imply: ${name}`, (t) => {
    const { quantize, config } = new VQModel({ ...shape, ...more });
    t.is(quantize.config.legacy, legacy);
    t.is((config as { legacy?: boolean }).legacy, legacy);
  });

test('resampling without convolutions', (t) => {
  const model = new VQModel({ ...shape, ddconfig: { ...ddconfig, resampWithConv: false } });
  t.false([...model.stateDict().keys()].some((key) => key.includes('sample.conv')));
  t.deepEqual(model.forward(x).reconstruction.shape, [2, 3, 32, 48]);
});

test('outputs are the same with and without autograd, which overwrites in place', (t) => {
  const model = new VQModel(shape).eval();
  const withGraph = model.forward(x).reconstruction;
  const without = torch.noGrad(() => model.forward(x).reconstruction);
  t.true(without.allclose(withGraph, 1e-5, 1e-6));
});

test('a forward leaves only its results behind and does not touch its input', (t) => {
  const model = new VQModel(shape).eval();
  const before = x.clone();
  torch.noGrad(() => torch.scope(() => void model.forward(x)));
  const { tensors } = torch.memory();
  torch.noGrad(() => torch.scope(() => void model.forward(x)));
  t.is(torch.memory().tensors, tensors);
  t.true(x.equal(before));
});

test('label maps are painted in colours from −1 to 1', (t) => {
  const model = new VQModel({ ...shape, colorizeNlabels: 5 });
  t.is([...model.stateDict().keys()][0], 'colorize');
  const labels = torch.randint(0, 5, [1, 6, 6], { dtype: 'int64' });
  const image = model.toRgb(labels.oneHot(5).permute([0, 3, 1, 2]).float());
  t.deepEqual(image.shape, [1, 3, 6, 6]);
  t.true(Math.abs(Number(image.min().item()) + 1) < 1e-6 && Math.abs(Number(image.max().item()) - 1) < 1e-6);
  t.throws(() => new VQModel(shape).toRgb(image), { message: /colorizeNlabels/ });
});

test('what a model cannot be or take is an error with the way out', (t) => {
  const model = new VQModel(shape);
  const shapeError = { instanceOf: torch.ShapeError };
  t.throws(() => model.forward(torch.zeros([1, 3, 33, 32])), { ...shapeError, message: /multiples of 2/ });
  t.throws(() => model.forward(torch.zeros([1, 1, 32, 32])), { ...shapeError, message: /\[B, 3, H, W\]/ });
  t.throws(() => model.decodeIndices(torch.zeros([1, 4], { dtype: 'int64' })), {
    ...shapeError,
    message: /\[B, h, w\]/,
  });
  t.throws(() => model.decoder.forward(torch.zeros([1, 4, 2, 2])), {
    ...shapeError,
    message: /\[B, 8, h, w\]/,
  });
  t.throws(() => new VQModel({ ...shape, ddconfig: { ...ddconfig, ch: 24 } }), { message: /multiple of 32/ });
  t.throws(() => new VQModel({ ...shape, ddconfig: { ...ddconfig, chMult: [] } }), {
    message: /chMult is empty/,
  });
  t.throws(() => new GumbelVQ({ ...shape, embedDim: 4 }), {
    message: /embedDim equal to ddconfig.zChannels/,
  });
});
