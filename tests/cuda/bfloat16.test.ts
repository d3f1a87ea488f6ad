/** Errors of bfloat16 networks against float32 ones, relative and in the Euclidean norm; each test states its bound. */
import type { ExecutionContext } from 'ava';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import * as optim from '../../src/torch/optim/index.js';
import { MasterWeights } from '../../src/training/engine/precision.js';
import { onePassStep } from '../../src/training/stages/vqgan/one-pass-step.js';
import { goldenTensors, need } from '../golden/data.js';
import { makeGpt } from '../golden/gpt.js';
import { drawLpipsWeights, golden, joined, makeModel } from '../golden/vqgan.js';
import { device, onDevice } from './device.js';

/** ‖a − b‖ / ‖b‖ */
function distance(a: Tensor, b: Tensor): number {
  return torch.scope(() => Number(a.double().sub(b.double()).norm().div(b.double().norm()).item()));
}

function within(t: ExecutionContext, name: string, error: number, bound: number): void {
  t.log(`${name} ${error.toExponential(1)}`);
  t.true(error <= bound, `${name}: ${error} > ${bound}`);
}

async function vqgan() {
  const made = makeModel('float32', device);
  made.model.loadStateDict(joined(await goldenTensors('vqgan-weights', device), drawLpipsWeights()));
  return made;
}

onDevice('VQGAN: encoder, decoder, discriminator and LPIPS within 4%', async (t) => {
  const io = await goldenTensors('vqgan-io-float32', device);
  const { model, loss } = await vqgan();
  model.eval();
  const masters = new MasterWeights([model.encoder, model.decoder, loss.discriminator]);
  masters.lower(loss.perceptualLoss.net);
  torch.noGrad(() =>
    torch.scope(() => {
      const x = need(io, 'x');
      const is = (name: string, actual: Tensor) => {
        t.is(actual.dtype, 'float32');
        within(t, name, distance(actual, need(io, name)), 0.04);
      };
      is('encoder', model.encoder.forward(x));
      is('reconstruction', model.decode(need(io, 'quantized')));
      is('discriminatorEval', loss.discriminator.forward(x));
      is('lpips', loss.perceptualLoss.forward(x, need(io, 'reconstruction')));
    }),
  );
});

onDevice('GPT: logits within 2%', async (t) => {
  const io = await goldenTensors('gpt-io', device);
  const gpt = makeGpt(await goldenTensors('gpt-weights', device), 'float32').to('bfloat16');
  const idx = need(io, 'idx');
  torch.noGrad(() =>
    torch.scope(() => {
      const logits = gpt.forward(idx.narrow(1, 0, idx.shape[1]! - 1));
      t.is(logits.dtype, 'bfloat16');
      within(t, 'logits', distance(logits, need(io, 'logitsFloat32')), 0.02);
    }),
  );
});

onDevice('a training step: losses within 3%, adaptive weight within 10%, masters stay float32', async (t) => {
  const batches = (await goldenTensors('vqgan-trajectory', device)).get('batches')!;
  const outcome = async (low: boolean) => {
    const { model, loss } = await vqgan();
    model.train();
    const masters = new MasterWeights(low ? [model.encoder, model.decoder, loss.discriminator] : []);
    const optimizers = [model.generatorParameters(), [...loss.discriminator.parameters()]].map((parameters) =>
      masters.around(parameters, new optim.Adam(masters.of(parameters), { lr: 1e-4, betas: [0.5, 0.9] })),
    );
    const [generator, discriminator] = optimizers as [optim.Adam, optim.Adam];
    const batch = batches.narrow(0, 0, golden.config.B).float();
    const log = torch.scope(() => {
      const globalStep = golden.config.loss.disc_start;
      const { nllLoss, pLoss, dWeight, discLoss } = onePassStep(model, { generator, discriminator }, batch, {
        globalStep,
      });
      return { nllLoss, pLoss, discLoss, dWeight };
    });
    const dtypes = new Set(masters.of(model.generatorParameters()).map(({ dtype }) => dtype));
    return { log, dtypes };
  };
  const [single, half] = [await outcome(false), await outcome(true)];
  for (const name of ['nllLoss', 'pLoss', 'discLoss'] as const) {
    within(t, name, distance(half.log[name], single.log[name]), 0.03);
  }
  within(t, 'dWeight', distance(half.log.dWeight, single.log.dWeight), 0.1);
  t.deepEqual([...half.dtypes], ['float32']);
});
