import test, { type ExecutionContext } from 'ava';
import { BCELossWithQuant } from '../../../src/models/losses/segmentation-loss.js';
import { MaskBitDiscriminator } from '../../../src/models/discriminators/maskbit.js';
import { EMAVQ, VQModel, type FirstStage } from '../../../src/models/autoencoder/vqgan.js';
import { GroupedResidualVQ } from '../../../src/models/quantizers/grouped-residual.js';
import { ResidualVQ } from '../../../src/models/quantizers/residual-vq.js';
import { VectorQuantize } from '../../../src/models/quantizers/vector-quantize.js';
import * as torch from '../../../src/torch/index.js';
import type { Tensor } from '../../../src/torch/index.js';
import { partsOf } from '../../../src/training/engine/accumulate.js';
import { onePassStep } from '../../../src/training/stages/vqgan/one-pass-step.js';
import { referenceStep } from '../../../src/training/stages/vqgan/reference-step.js';
import { segmentationStep } from '../../../src/training/stages/vqgan/segmentation-step.js';
import { transformerStep } from '../../../src/training/stages/transformer/step.js';
import { classNet, ddconfig } from '../../sampling/first-stages.js';
import { adam, adversarial, sizes, type Made } from '../../training/adversarial.js';

function ofLabels(): Made {
  torch.manualSeed(3);
  const model = new VQModel({ ddconfig, ...sizes, lossconfig: new BCELossWithQuant() });
  model.to('float64').train();
  const optimizer = adam(model.generatorParameters());
  return {
    model,
    step: (batch, _, accumulate) => ({
      ...segmentationStep(model, optimizer, batch.gt(0).double(), { accumulate }),
    }),
  };
}

const batches = torch.keep(torch.scope(() => torch.randn([3, 4, 3, 8, 8], { dtype: 'float64' })));

function assertClose(t: ExecutionContext, name: string, actual: Tensor, expected: Tensor): void {
  const error = actual.sub(expected).abs().max().item();
  t.true(error <= 1e-9 * Math.max(1, expected.abs().max().item()), `${name}: ${error}`);
}

/** Numbers of images in the model's forwards. */
function countForwards(model: FirstStage): number[] {
  const counts: number[] = [];
  model.registerForwardPreHook((_, [batch]) => void counts.push((batch as Tensor).shape[0]!));
  return counts;
}

const maskbit = () => new MaskBitDiscriminator({ hiddenChannels: 4, numStages: 1, groupNormGroups: 2 });
const regularised = {
  r1Weight: 1,
  r1Every: 2,
  diffAugment: 'color,translation,cutout',
  discLoss: 'non-saturating',
} as const;

/** Changes from step to step, and with the number of parts. */
const moving = /^loss\.(r1\.last|discriminator\..*\._[uv]$)/;

for (const { name, make, forwards, steps = 3 } of [
  // The discriminator is off in the first of three steps; while it is on, the parts are decoded twice.
  { name: 'one-pass', make: () => adversarial(onePassStep), forwards: 4 + 8 + 8 },
  { name: 'one-pass, EMA codebook', make: () => adversarial(onePassStep, { Model: EMAVQ }), forwards: 20 },
  { name: 'reference', make: () => adversarial(referenceStep), forwards: 8 + 12 + 12 },
  { name: 'reference, EMA codebook', make: () => adversarial(referenceStep, { Model: EMAVQ }), forwards: 32 },
  {
    name: 'one-pass, smoothed weight',
    make: () => adversarial(onePassStep, { loss: { adaptiveWeightSmoothing: 0.5, maxAdaptiveWeight: 2 } }),
    forwards: 20,
  },
  {
    name: 'one-pass, fixed weight',
    make: () => adversarial(onePassStep, { loss: { discAdaptiveWeight: false, discWeight: 0.3 } }),
    forwards: 12,
  },
  {
    name: 'reference, fixed weight',
    make: () => adversarial(referenceStep, { loss: { discAdaptiveWeight: false, discWeight: 0.3 } }),
    forwards: 24,
  },
  ...([onePassStep, referenceStep] as const).flatMap((take) => [
    {
      name: `${take.name} with R1 and DiffAugment`,
      make: () => adversarial(take, { loss: regularised }),
      forwards: take === onePassStep ? 20 : 32,
    },
    {
      name: `${take.name} with spectral norm, whose iteration goes on with each forward`,
      make: () => adversarial(take, { loss: { discSpectralNorm: true, ...regularised, r1Every: 1 } }),
      forwards: take === onePassStep ? 12 : 20,
      // Until the discriminator's first update: the singular vectors have stood still, and would then move again.
      steps: 2,
    },
    {
      name: `${take.name} with another discriminator`,
      make: () => adversarial(take, { loss: { discriminator: maskbit, ...regularised } }),
      forwards: take === onePassStep ? 20 : 32,
    },
  ]),
  { name: 'segmentation', make: ofLabels, forwards: 12 },
]) {
  test(`a step in four parts is that of the whole batch, in float64: ${name}`, (t) => {
    torch.scope(() => {
      const [whole, parts] = [make(), make()];
      const counts = countForwards(parts.model);
      for (let i = 0; i < steps; i++) {
        torch.manualSeed(i);
        const expected = whole.step(batches.select(0, i), i, 1);
        torch.manualSeed(i);
        const log = parts.step(batches.select(0, i), i, 4);
        for (const [key, value] of Object.entries(expected)) {
          if (typeof value === 'number') t.is(log[key], value);
          else assertClose(t, `${key} at ${i}`, log[key] as Tensor, value);
        }
      }
      const state = parts.model.stateDict();
      for (const [key, tensor] of whole.model.stateDict()) {
        if (tensor.dtype === 'float64' && !moving.test(key)) assertClose(t, key, state.get(key)!, tensor);
      }
      t.deepEqual(counts, Array(forwards).fill(1));
    });
  });
}

test('the second pass over the parts draws the random numbers of the first', (t) => {
  torch.scope(() => {
    const { model, step } = adversarial(onePassStep, { dropout: 0.5 });
    const seen: Tensor[] = [];
    model.registerForwardHook((_, __, output) => {
      seen.push(torch.keep((output as { reconstruction: Tensor }).reconstruction.detach().clone()));
    });
    step(batches.select(0, 0), 1, 2);
    const after = torch.rand([1]).item();
    t.is(seen.length, 4);
    t.true(seen[2]!.equal(seen[0]!) && seen[3]!.equal(seen[1]!));
    t.false(seen[0]!.narrow(0, 0, 1).equal(seen[1]!.narrow(0, 0, 1)));
    torch.dispose(seen);
    torch.manualSeed(3);
    adversarial(onePassStep, { dropout: 0.5 }).step(batches.select(0, 0), 0, 2); // decodes each part once
    t.is(torch.rand([1]).item(), after);
  });
});

test('a transformer step in parts is that of the whole batch, in float64', (t) => {
  torch.scope(() => {
    const [whole, parts] = [1, 4].map((accumulate) => {
      torch.manualSeed(2);
      const net = classNet('VQModel');
      net.to('float64');
      const optimizer = adam(net.transformer.parameters());
      let forwards = 0;
      net.transformer.registerForwardHook(() => void forwards++);
      const z = torch.arange(24, { dtype: 'int64' }).remainder(5).reshape([4, 6]);
      const c = torch.arange(4, { dtype: 'int64' }).reshape([4, 1]);
      const losses = [1, 2, 3].map(
        () => transformerStep(net, optimizer, { tokens: { z, c } }, { accumulate }).loss,
      );
      t.is(forwards, 3 * accumulate);
      return { net, losses: torch.stack(losses) };
    }) as [
      { net: ReturnType<typeof classNet>; losses: Tensor },
      { net: ReturnType<typeof classNet>; losses: Tensor },
    ];
    assertClose(t, 'losses', parts.losses, whole.losses);
    const state = parts.net.transformer.stateDict();
    for (const [key, tensor] of whole.net.transformer.stateDict())
      assertClose(t, key, state.get(key)!, tensor);
  });
});

test('a batch is split into equal parts only', (t) => {
  const batch = torch.zeros([6, 2]);
  t.is(partsOf(batch, 1)[0], batch);
  t.deepEqual(
    partsOf(batch, 3).map(({ shape }) => shape),
    [
      [2, 2],
      [2, 2],
      [2, 2],
    ],
  );
  for (const count of [4, 0, 1.5, 7])
    t.throws(() => partsOf(batch, count), {
      instanceOf: RangeError,
      message: new RegExp(`got ${count} for a batch of 6`),
    });
});

test('the second pass over the parts keeps no latents for codes that move', (t) => {
  torch.scope(() => {
    const made = adversarial(onePassStep);
    const codes = { dim: 4, codebookSize: 12, numQuantizers: 2 };
    for (const quantize of [
      new VectorQuantize(sizes),
      new ResidualVQ(codes),
      new GroupedResidualVQ({ ...codes, groups: 2 }),
    ]) {
      Object.assign(made.model, { quantize: quantize.to('float64').train() });
      torch.scope(() => void made.step(batches.select(0, 0), 1, 2));
      const { tensors } = torch.memory();
      torch.scope(() => void made.step(batches.select(0, 1), 2, 2));
      t.is(torch.memory().tensors, tensors, quantize.constructor.name);
    }
  });
});
