/** Checks of the VQGAN, its losses and its training against the reference data. Weights are arguments, so that `tests/long/golden.ts` can perturb them. */
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import * as nn from '../../src/torch/nn/index.js';
import * as optim from '../../src/torch/optim/index.js';
import type { BackboneConfig } from '../../src/models/autoencoder/blocks.js';
import { LPIPS } from '../../src/models/losses/lpips.js';
import { VQLPIPSWithDiscriminator } from '../../src/models/losses/vqgan-loss.js';
import { VQModel } from '../../src/models/autoencoder/vqgan.js';
import type { StepOptimizer } from '../../src/training/engine/step-optimizer.js';
import type { VqganLog, VqganOptimizers } from '../../src/training/stages/vqgan/reference-step.js';
import { referenceStep } from '../../src/training/stages/vqgan/reference-step.js';
import type { Check, GoldenConfig, Weights } from './data.js';
import { bounds, compare, compareExact, compareNumber, goldenConfig, need } from './data.js';

export const golden: GoldenConfig = goldenConfig();

const lpipsPrefix = 'loss.perceptual_loss.';

/** LPIPS weights as the golden README draws them: float64, one generator, VGG's 13 convolutions, then the five weightings. */
export function drawLpipsWeights(): Weights {
  const generator = new torch.Generator().manualSeed(golden.config.lp);
  const options = { dtype: 'float64', generator } as const;
  const model = nn.skipInit(() => new LPIPS());
  const weights: Weights = new Map();
  for (const [key, tensor] of model.stateDict()) {
    const drawn = torch.scope(() => {
      if (key.startsWith('scaling_layer.')) return tensor.double();
      if (key.endsWith('.bias')) return torch.zeros(tensor.shape, { dtype: 'float64' });
      if (key.startsWith('lin')) return torch.rand(tensor.shape, options).mul(0.1);
      return torch.randn(tensor.shape, options).mul(Math.sqrt(2 / (9 * tensor.shape[1]!)));
    });
    weights.set(key, torch.keep(drawn));
  }
  return weights;
}

/** Golden `dd` in this library's spelling. */
export function goldenBackbone(): BackboneConfig {
  const { dd } = golden.config;
  return {
    doubleZ: dd.double_z,
    zChannels: dd.z_channels,
    resolution: dd.resolution,
    inChannels: dd.in_channels,
    outCh: dd.out_ch,
    ch: dd.ch,
    chMult: dd.ch_mult,
    numResBlocks: dd.num_res_blocks,
    attnResolutions: dd.attn_resolutions,
    dropout: dd.dropout,
  };
}

/** A model and its loss, typed. */
export interface GoldenModel {
  model: VQModel;
  loss: VQLPIPSWithDiscriminator;
}

/** The golden VQModel with its loss, both without weights. */
export function makeModel(
  dtype: 'float32' | 'float64' = 'float64',
  device: torch.Device = 'cpu',
): GoldenModel {
  return nn.skipInit(() => buildModel(dtype, device));
}

function buildModel(dtype: 'float32' | 'float64', device: torch.Device): GoldenModel {
  const { loss: l, n_embed, embed_dim } = golden.config;
  const loss = new VQLPIPSWithDiscriminator({
    discStart: l.disc_start,
    discWeight: l.disc_weight,
    codebookWeight: l.codebook_weight,
    discNumLayers: l.disc_num_layers,
    discNdf: l.disc_ndf,
    discLoss: l.disc_loss,
  });
  const model = new VQModel({
    ddconfig: goldenBackbone(),
    lossconfig: loss,
    nEmbed: n_embed,
    embedDim: embed_dim,
  });
  return { model: model.to(dtype).to(device), loss };
}

/** `vqgan-weights` and LPIPS's weights as one state dict. */
export function joined(weights: Weights, lpips: Weights): Weights {
  return new Map([...weights, ...[...lpips].map(([key, tensor]) => [lpipsPrefix + key, tensor] as const)]);
}

/** The eval-mode forwards: `vqgan-io`, or `vqgan-io-float32` for a float32 model. The model must be loaded. */
export function checkForwards({ model, loss }: GoldenModel, io: Weights, bound: number): Check[] {
  return torch.noGrad(() =>
    torch.scope(() => {
      model.eval();
      const x = need(io, 'x');
      const encoder = model.encoder.forward(x);
      const { quantized, loss: codebookLoss, indices } = model.encode(x);
      const reconstruction = model.decode(quantized);
      const grid = indices.shape as [number, number, number];
      const fromCodes = model.decodeIndices(need(io, 'indices').reshape(grid));
      const is = (name: string, actual: Tensor) => compare(name, actual, need(io, name), bound);
      return [
        is('encoder', encoder),
        is('quantConv', model.quantConv.forward(encoder)),
        compareExact('indices', indices, need(io, 'indices')),
        is('quantized', quantized),
        is('codebookLoss', codebookLoss),
        is('reconstruction', reconstruction),
        is('fromCodes', fromCodes),
        is('lpips', loss.perceptualLoss.forward(x, reconstruction)),
        is('discriminatorEval', loss.discriminator.forward(x)),
      ];
    }),
  );
}

/** LPIPS alone, between the stored images: cheap enough to repeat for each of its weights. */
export function checkLpips(model: LPIPS, io: Weights): Check[] {
  return torch.noGrad(() =>
    torch.scope(() => {
      const distance = model.forward(need(io, 'x'), need(io, 'reconstruction'));
      return [compare('lpips', distance, need(io, 'lpips'), bounds.float64)];
    }),
  );
}

const still: StepOptimizer = { zeroGrad() {}, step() {} };

/** Optimizers that leave the gradients lying, to be looked at. */
export const noOptimizers: VqganOptimizers = { generator: still, discriminator: still };

/** The reference's names of a step's scalars. */
export function referenceLog(log: VqganLog): Record<string, number> {
  return torch.scope(() => {
    const number = (t: Tensor) => Number(t.item());
    return {
      'train/aeloss': number(log.totalLoss),
      'train/total_loss': number(log.totalLoss),
      'train/quant_loss': number(log.quantLoss),
      'train/nll_loss': number(log.nllLoss),
      'train/rec_loss': number(log.nllLoss),
      'train/p_loss': number(log.pLoss),
      'train/d_weight': number(log.dWeight),
      'train/disc_factor': log.discFactor,
      'train/g_loss': number(log.gLoss),
      'train/discloss': number(log.discLoss),
      'train/disc_loss': number(log.discLoss),
      'train/logits_real': number(log.logitsReal),
      'train/logits_fake': number(log.logitsFake),
    };
  });
}

/** Gradients of both losses and the scalars at step discStart + 1, in train mode, from freshly loaded weights. */
export function checkGradients({ model }: GoldenModel, io: Weights): Check[] {
  model.train();
  model.zeroGrad();
  const log = referenceLog(
    referenceStep(model, noOptimizers, need(io, 'x'), { globalStep: golden.config.loss.disc_start + 1 }),
  );
  const parameters = new Map(model.namedParameters());
  const gradients = [...io.keys()]
    .filter((key) => key.startsWith('grad.'))
    .map((key) => {
      const parameter = parameters.get(key.slice('grad.'.length));
      if (!parameter?.grad) return { name: key, error: Infinity, bound: bounds.float64 };
      return compare(key, parameter.grad, need(io, key), bounds.float64);
    });
  const scalars = Object.entries(golden.scalars).map(([name, value]) =>
    compareNumber(name, log[name]!, value, bounds.float64),
  );
  model.zeroGrad();
  return [...gradients, ...scalars];
}

/** Adam as the reference makes it for both networks. */
export function goldenOptimizers({ model, loss }: GoldenModel): {
  generator: optim.Adam;
  discriminator: optim.Adam;
} {
  const options: optim.AdamOptions = { lr: golden.config.lr, betas: [0.5, 0.9], eps: 1e-8 };
  return {
    generator: new optim.Adam(model.generatorParameters(), options),
    discriminator: new optim.Adam(loss.discriminator.parameters(), options),
  };
}

/**
 * The training run in float64, or its first steps: every logged number, and after the last step the norm of every tensor,
 * and five tensors in full.
 */
export function checkTrajectory(
  goldenModel: GoldenModel,
  trajectory: Weights,
  steps = golden.config.steps,
): Check[] {
  const { model } = goldenModel;
  const { B } = golden.config;
  model.train();
  const optimizers = goldenOptimizers(goldenModel);
  const checks: Check[] = [];
  for (let step = 0; step < steps; step++) {
    torch.scope(() => {
      const batch = need(trajectory, 'batches')
        .narrow(0, step * B, B)
        .double();
      const log = referenceLog(referenceStep(model, optimizers, batch, { globalStep: step }));
      for (const [name, value] of Object.entries(golden.trajectory[step]!)) {
        checks.push(compareNumber(`step ${step} ${name}`, log[name]!, value, bounds.trajectory));
      }
    });
  }
  if (steps < golden.config.steps) return checks;
  const state = model.stateDict();
  for (const [key, norm] of Object.entries(golden.finalNorms)) {
    const actual = torch.scope(() => Number(need(state, key).detach().double().norm().item()));
    checks.push(compareNumber(`norm of ${key}`, actual, norm, bounds.trajectory));
  }
  for (const key of trajectory.keys()) {
    if (key !== 'batches')
      checks.push(compare(key, need(state, key), need(trajectory, key), bounds.trajectory));
  }
  return checks;
}
