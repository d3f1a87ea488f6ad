/** Everything in stage 1 that has weights, with its checks. */
import { checkActnorm } from './actnorm.js';
import type { Weights } from './data.js';
import { below, bounds, goldenTensors, need } from './data.js';
import { checkEma, checkGumbel, checkVectorQuantizer, emaStart } from './quantizers.js';
import { beforeInitialization, biasBeforeNorm, keyBias } from './reasons.js';
import type { Subject } from './subject.js';
import { checkForwards, checkGradients, checkLpips, drawLpipsWeights, makeModel } from './vqgan.js';

/** At 32 channels 32 groups hold one channel each; in the decoder's last level the residual sum, too, goes only into such norms. */
const vqganExceptions = new Map([
  ...[
    'encoder.down.1.attn.0',
    'encoder.mid.attn_1',
    'decoder.mid.attn_1',
    'decoder.up.1.attn.0',
    'decoder.up.1.attn.1',
  ].map((attention) => [`${attention}.k.bias`, keyBias] as const),
  ...[
    'encoder.down.0.block.0.conv1',
    'decoder.up.0.block.0.conv1',
    'decoder.up.0.block.0.conv2',
    'decoder.up.0.block.0.nin_shortcut',
    'decoder.up.0.block.1.conv1',
    'decoder.up.0.block.1.conv2',
  ].map((convolution) => [`${convolution}.bias`, biasBeforeNorm] as const),
]);

export async function stage1Subjects(): Promise<Subject[]> {
  const [weights, io, quantizers, extras] = (await Promise.all(
    ['vqgan-weights', 'vqgan-io', 'quantizers', 'extras'].map((name) => goldenTensors(name)),
  )) as [Weights, Weights, Weights, Weights];
  const lpips = drawLpipsWeights();
  const golden = makeModel();
  golden.loss.perceptualLoss.loadStateDict(lpips);
  const load = (changed: Weights) => {
    golden.model.loadStateDict(changed, { strict: false });
    return golden;
  };
  const lpipsModel = makeModel().loss.perceptualLoss;

  return [
    {
      name: 'VQModel',
      weights,
      checks: [
        (changed) => checkForwards(load(changed), io, bounds.float64),
        (changed) => checkGradients(load(changed), io),
      ],
      exceptions: vqganExceptions,
    },
    {
      name: 'LPIPS',
      weights: lpips,
      checks: [
        (changed) => {
          lpipsModel.loadStateDict(changed);
          return checkLpips(lpipsModel, io);
        },
      ],
      exceptions: new Map(),
    },
    {
      name: 'VectorQuantizer',
      weights: new Map([['embedding.weight', need(quantizers, 'vq.codebook')]]),
      checks: [(changed) => checkVectorQuantizer(changed, quantizers)],
      exceptions: new Map(),
    },
    {
      name: 'EMAVectorQuantizer',
      weights: emaStart(quantizers),
      checks: [(changed) => checkEma(changed, quantizers)],
      exceptions: new Map(),
    },
    {
      name: 'GumbelQuantizer',
      weights: gumbelWeights(quantizers),
      checks: [(changed) => checkGumbel(changed, quantizers)],
      exceptions: new Map(),
    },
    {
      name: 'NLayerDiscriminator with ActNorm',
      weights: below(extras, 'actnorm.weights.'),
      checks: [(changed) => checkActnorm(changed, extras)],
      exceptions: new Map(
        ['main.3.loc', 'main.3.scale', 'main.6.loc', 'main.6.scale'].map((key) => [
          key,
          beforeInitialization,
        ]),
      ),
    },
  ];
}

/** The Gumbel quantizer's own tensors among the golden `gumbel.*`. */
export function gumbelWeights(quantizers: Weights): Weights {
  return new Map(
    ['proj.weight', 'proj.bias', 'embed.weight'].map((key) => [key, need(quantizers, `gumbel.${key}`)]),
  );
}
