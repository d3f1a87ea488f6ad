/** The first stage of label maps, against values recorded from the reference. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { BCELossWithQuant, DummyLoss } from '../../../../src/models/losses/segmentation-loss.js';
import { VQModel } from '../../../../src/models/autoencoder/vqgan.js';
import * as torch from '../../../../src/torch/index.js';
import type { Tensor } from '../../../../src/torch/index.js';
import { loadCheckpoint } from '../../../../src/torch/io/index.js';
import * as optim from '../../../../src/torch/optim/index.js';
import { readsLabels, segmentationStep } from '../../../../src/training/stages/vqgan/segmentation-step.js';

const fixture = (name: string) => fileURLToPath(new URL(`../../../fixtures/${name}`, import.meta.url));
const recorded = JSON.parse(readFileSync(fixture('segmentation.json'), 'utf8')) as Record<string, number> & {
  normsAfterStep: Record<string, number>;
};
const { tensors } = await loadCheckpoint(fixture('segmentation.safetensors'));
const LABELS = 5;

function made(): VQModel {
  const model = new VQModel({
    ddconfig: {
      ch: 32,
      chMult: [1, 1],
      numResBlocks: 1,
      attnResolutions: [],
      resolution: 16,
      inChannels: LABELS,
      outCh: LABELS,
      zChannels: 8,
      doubleZ: false,
    },
    nEmbed: 20,
    embedDim: 6,
    colorizeNlabels: LABELS,
    lossconfig: new BCELossWithQuant(),
  });
  const weights = [...tensors.keys()].filter((key) => key.startsWith('weights.'));
  model.loadStateDict(new Map(weights.map((key) => [key.slice('weights.'.length), tensors.get(key)!])));
  return model;
}

const labels = (): Tensor =>
  torch.oneHot(tensors.get('x')!.long(), LABELS).permute([0, 3, 1, 2]).to('float32').contiguous();

function difference(a: Tensor, b: Tensor): number {
  return torch.scope(() => a.detach().sub(b).abs().max().item());
}

test('logits, codes, codebook loss and colours are the reference’s', (t) => {
  const model = made();
  const { reconstruction, loss, indices } = torch.noGrad(() => model.eval().forward(labels()));
  t.true(difference(reconstruction, tensors.get('logits')!) < 2e-5);
  t.deepEqual(indices.flatten(1).tolist(), tensors.get('indices')!.tolist());
  t.true(difference(loss, tensors.get('codebookLoss')!) < 1e-6);
  t.true(difference(model.toRgb(labels()), tensors.get('rgb')!) < 1e-5);
});

test('a step gives the reference’s losses, gradients and weights', (t) => {
  const model = made().train();
  const optimizer = new optim.Adam(model.generatorParameters(), { lr: recorded['lr']!, betas: [0.5, 0.9] });
  const { totalLoss, bceLoss, quantLoss } = segmentationStep(model, optimizer, labels());
  t.true(Math.abs(totalLoss.item() - recorded['train/total_loss']!) < 1e-5);
  t.true(Math.abs(bceLoss.item() - recorded['train/bce_loss']!) < 1e-5);
  t.true(Math.abs(quantLoss.item() - recorded['train/quant_loss']!) < 1e-5);
  const parameters = new Map(model.namedParameters());
  const gradients = [...tensors.keys()].filter((key) => key.startsWith('grad.'));
  t.is(gradients.length, 16);
  for (const key of gradients) {
    const { grad } = parameters.get(key.slice('grad.'.length))!;
    t.true(difference(grad!, tensors.get(key)!) < 2e-5, key);
  }
  for (const [key, norm] of Object.entries(recorded.normsAfterStep)) {
    const value = model.stateDict().get(key)!;
    t.true(Math.abs(torch.linalgVectorNorm(value).item() - norm) < 2e-3 * norm, key);
  }
});

test('only a loss of label maps is taken', (t) => {
  t.true(readsLabels(made()));
  const model = made();
  Object.assign(model, { loss: new DummyLoss() });
  t.false(readsLabels(model));
  const optimizer = new optim.Adam(model.generatorParameters(), { lr: 1e-3 });
  t.throws(() => segmentationStep(model, optimizer, labels()), { message: /BCELossWithQuant or BCELoss/ });
});
