/** Measuring or drawing while a model is trained leaves every part of it in its mode, even if it fails. */
import { join } from 'node:path';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import test from 'ava';
import { generate, TokenSampler } from '../../src/sampling/sampler.js';
import { sampleImages } from '../../src/sampling/images.js';
import * as torch from '../../src/torch/index.js';
import type * as nn from '../../src/torch/nn/index.js';
import type { VQModel } from '../../src/models/autoencoder/vqgan.js';
import { heldOutLoss } from '../../src/training/stages/transformer/held-out.js';
import { TransformerTrainer } from '../../src/training/transformer-trainer.js';
import { measureImages, saveReconstructions } from '../../src/training/stages/vqgan/held-out.js';
import { VqganTrainer } from '../../src/training/vqgan-trainer.js';
import { classNet } from '../sampling/first-stages.js';
import { eventsOf, images, transformerConfig, vqganConfig } from './tiny.js';

const root = mkdtempSync(join(tmpdir(), 'tessera-modes-'));
test.after.always(() => rmSync(root, { recursive: true, force: true }));

const condition = torch.tensor([[1n]]);

/** A second stage in training, one of whose dropouts is frozen in evaluation mode. */
function training() {
  const net = classNet('VQModel').train();
  net.transformer.drop.eval();
  return net;
}

const failing = () => {
  throw new Error('stop');
};

/** Something under the model that fails. */
function broken<M extends nn.Module>(module: M, method: keyof M & string): M {
  if (method === 'forward') module.registerForwardPreHook(failing);
  else Object.defineProperty(module, method, { value: failing, configurable: true });
  return module;
}

const codes = () => {
  const rows = torch.zeros([2, 15], { dtype: 'int64' });
  const labels = torch.zeros([2], { dtype: 'int64' });
  const part = { codes: rows, labels, condition: null };
  return { train: part, heldOut: part };
};

type Net = ReturnType<typeof training>;

const attempts: Record<string, (net: Net) => unknown> = {
  'the callback of generate': ({ transformer }) => generate(transformer, condition, 3, { onToken: failing }),
  'the cache of generate': ({ transformer }) => generate(broken(transformer, 'createCache'), condition, 3),
  'the model under generate': ({ transformer }) => generate(broken(transformer, 'forward'), condition, 3),
  'the callback of a TokenSampler': ({ transformer }) => {
    using sampler = new TokenSampler(transformer, { batch: 1 });
    sampler.sample(condition, 3, { onToken: failing });
  },
  'the model under a TokenSampler': ({ transformer }) => {
    using sampler = new TokenSampler(transformer, { batch: 1 });
    broken(transformer.head, 'forward');
    sampler.sample(condition, 3);
  },
  'the decoder of sampled images': (net) =>
    sampleImages(broken(net, 'decodeToImg'), condition, { grid: [4, 4] }),
  'the held-out loss': (net) => heldOutLoss(broken(net, 'predict'), codes()),
};

for (const [what, attempt] of Object.entries(attempts)) {
  test(`modes are as they were after an error in ${what}`, (t) => {
    const net = training();
    const modes = () => net.modules().map((module) => module.training);
    const before = modes();
    t.true(before.includes(true) && before.includes(false));
    t.throws(() => attempt(net), { message: 'stop' });
    t.deepEqual(modes(), before);
  });
}

test('modes are as they were after what did not fail', (t) => {
  const net = training();
  const before = net.modules().map((module) => module.training);
  generate(net.transformer, condition, 3);
  sampleImages(net, condition, { grid: [4, 4] });
  using sampler = new TokenSampler(net.transformer, { batch: 1 });
  sampler.sample(condition, 3);
  heldOutLoss(net, codes());
  t.deepEqual(
    net.modules().map((module) => module.training),
    before,
  );
});

test('measuring a first stage leaves its modes, whatever they were and whether it fails', async (t) => {
  for (const mode of [true, false]) {
    const model = classNet('VQModel').firstStageModel as unknown as VQModel;
    delete (model as Partial<VQModel>).train;
    model.train(mode);
    const modes = () => new Set(model.modules().map((module) => module.training));
    const pictures = torch.zeros([1, 3, 8, 8]);
    measureImages(model, pictures);
    t.deepEqual(modes(), new Set([mode]));
    broken(model.decoder, 'forward');
    t.throws(() => measureImages(model, pictures), { message: 'stop' });
    await t.throwsAsync(saveReconstructions(model, pictures, join(root, 'never.png')), { message: 'stop' });
    t.deepEqual(modes(), new Set([mode]));
  }
});

test('a trainer whose previews fail leaves its network in training mode', async (t) => {
  const vqgan = join(root, 'vqgan');
  await eventsOf(await VqganTrainer.create(vqganConfig({ steps: 1 }), { run: vqgan, images: images() }));
  const config = transformerConfig(vqgan, { steps: 2, imagesEvery: 1 });
  const trainer = await TransformerTrainer.create(config, { run: join(root, 'run'), images: images() });
  const { net } = trainer;
  broken(net, 'decodeToImg');
  await t.throwsAsync(eventsOf(trainer), { message: 'stop' });
  t.true(net.training && net.transformer.modules().every((module) => module.training));
});
