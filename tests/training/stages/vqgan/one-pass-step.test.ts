import test from 'ava';
import * as torch from '../../../../src/torch/index.js';
import type { Tensor } from '../../../../src/torch/index.js';
import { onePassStep } from '../../../../src/training/stages/vqgan/one-pass-step.js';
import { referenceStep } from '../../../../src/training/stages/vqgan/reference-step.js';
import { assertChecks } from '../../../golden/assert.js';
import type { Check } from '../../../golden/data.js';
import { bounds, compare, compareNumber, goldenTensors, need } from '../../../golden/data.js';
import type { GoldenModel } from '../../../golden/vqgan.js';
import {
  drawLpipsWeights,
  golden,
  goldenOptimizers,
  joined,
  makeModel,
  noOptimizers,
  referenceLog,
} from '../../../golden/vqgan.js';

const weights = joined(await goldenTensors('vqgan-weights'), drawLpipsWeights());
const { batches } = Object.fromEntries(await goldenTensors('vqgan-trajectory')) as { batches: Tensor };
// The smallest images that LPIPS takes.
const batch = torch.keep(
  torch.scope(() => batches.narrow(0, 0, golden.config.B).narrow(2, 0, 16).narrow(3, 0, 16).double()),
);

const models = [makeModel(), makeModel()] as const;

/** One of two models as it was in the beginning. */
function loaded(which: 0 | 1 = 0): GoldenModel {
  const { model } = models[which];
  model.loadStateDict(weights);
  model.zeroGrad();
  model.train();
  return models[which];
}

/** Gradients and logged numbers of the one-pass step against the reference step's. */
function compareSteps(globalStep: number): Check[] {
  const [reference, onePass] = [loaded(0), loaded(1)];
  const expectedLog = referenceLog(referenceStep(reference.model, noOptimizers, batch, { globalStep }));
  const log = referenceLog(onePassStep(onePass.model, noOptimizers, batch, { globalStep }));
  const expected = new Map(reference.model.namedParameters());
  const gradients = onePass.model
    .namedParameters()
    .filter(([, parameter]) => parameter.requiresGrad)
    .map(([key, parameter]) =>
      compare(key, parameter.grad!, need(expected as Map<string, Tensor>, key).grad!, bounds.float64),
    );
  const numbers = Object.entries(expectedLog).map(([key, value]) =>
    compareNumber(key, log[key]!, value, bounds.float64),
  );
  return [...gradients, ...numbers];
}

test('gradients and log are the reference step’s, discriminator on', (t) => {
  assertChecks(t, compareSteps(golden.config.loss.disc_start));
});

test('gradients and log are the reference step’s, discriminator not yet on', (t) => {
  assertChecks(t, compareSteps(0));
});

test('before discStart the discriminator learns nothing, though its optimizer counts the step', (t) => {
  for (const step of [referenceStep, onePassStep]) {
    const made = loaded();
    const optimizers = goldenOptimizers(made);
    const before = made.loss.discriminator.main.get(0).parameters()[0]!.detach().clone();
    step(made.model, optimizers, batch, { globalStep: 0 });
    const after = made.loss.discriminator.main.get(0).parameters()[0]!;
    t.true(after.detach().equal(before));
    const { state } = optimizers.discriminator.stateDict();
    t.is(Number(Object.values(state)[0]!['step']!.item()), 1);
  }
});

test('batch statistics move three times in the reference step and twice in the one-pass step', (t) => {
  for (const [step, times] of [
    [referenceStep, 3],
    [onePassStep, 2],
  ] as const) {
    const made = loaded();
    const key = 'discriminator.main.3.num_batches_tracked';
    const before = Number(need(made.loss.stateDict(), key).item());
    step(made.model, noOptimizers, batch, { globalStep: golden.config.loss.disc_start });
    t.is(Number(need(made.loss.stateDict(), key).item()) - before, times);
  }
});

test('a step leaves only its log behind, and every parameter as trainable as before', (t) => {
  for (const step of [referenceStep, onePassStep]) {
    const made = loaded();
    const optimizers = goldenOptimizers(made);
    const trainable = made.model.parameters().map((parameter) => parameter.requiresGrad);
    const run = (globalStep: number) =>
      torch.scope(() => {
        step(made.model, optimizers, batch, { globalStep });
      });
    run(0);
    run(golden.config.loss.disc_start);
    const { tensors } = torch.memory();
    run(golden.config.loss.disc_start + 1);
    t.is(torch.memory().tensors, tensors);
    t.deepEqual(
      made.model.parameters().map((parameter) => parameter.requiresGrad),
      trainable,
    );
  }
});
