/** Checks of the three quantizers and of remapping against the reference data. */
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import { VectorQuantizer } from '../../src/models/quantizers/vector.js';
import { EMAVectorQuantizer } from '../../src/models/quantizers/ema.js';
import { GumbelQuantizer } from '../../src/models/quantizers/gumbel.js';
import type { UnknownIndex } from '../../src/models/quantizers/remap.js';
import type { Check, Weights } from './data.js';
import { bounds, compare, compareExact, compareNumber, deviceOf, goldenConfig, need } from './data.js';

const golden = goldenConfig();

function size(tensor: Tensor): [number, number] {
  return tensor.shape as [number, number];
}

/** The gradient-trained codebook, with either placement of beta. `weights` holds `embedding.weight`. */
export function checkVectorQuantizer(weights: Weights, data: Weights): Check[] {
  const [nEmbed, embedDim] = size(need(weights, 'embedding.weight'));
  return [true, false].flatMap((legacy) => {
    const name = legacy ? 'vq.legacy' : 'vq.fixed';
    const quantizer = new VectorQuantizer({ nEmbed, embedDim, beta: 0.25, legacy })
      .double()
      .to(deviceOf(data));
    quantizer.loadStateDict(weights);
    return torch.scope(() => {
      const z = need(data, 'z').clone().requiresGrad_();
      const { quantized, loss, indices } = quantizer.forward(z);
      loss.add(quantized.square().mean()).backward();
      const is = (key: string, actual: Tensor) =>
        compare(`${name}.${key}`, actual, need(data, `${name}.${key}`), bounds.float64);
      return [
        is('zq', quantized),
        is('loss', loss),
        is('grad.z', z.grad!),
        is('grad.codebook', quantizer.embedding.weight.grad!),
        compareExact(`${name}.indices`, indices, need(data, `${name}.indices`)),
      ];
    });
  });
}

/** Indices among the used codes and back, with an extra token and with a fixed one for unknown codes. */
export function checkRemap(weights: Weights, data: Weights): Check[] {
  const [nEmbed, embedDim] = size(need(weights, 'embedding.weight'));
  const remap = need(data, 'vq.remap.used');
  const indices = need(data, 'vq.legacy.indices');
  return (['extra', 1] as UnknownIndex[]).flatMap((unknownIndex) => {
    const name = `vq.remap.${unknownIndex}`;
    const quantizer = new VectorQuantizer({ nEmbed, embedDim, legacy: true, remap, unknownIndex })
      .double()
      .to(deviceOf(data));
    return torch.scope(() => {
      const remapped = quantizer.remapToUsed(indices);
      return [
        compareExact(`${name}.indices`, remapped, need(data, `${name}.indices`)),
        compareExact(`${name}.unmapped`, quantizer.unmapToAll(remapped), need(data, `${name}.unmapped`)),
      ];
    });
  });
}

/** Five updates of the moving-average codebook from `weights.weight`, counts at zero. */
export function checkEma(weights: Weights, data: Weights): Check[] {
  const codebook = need(weights, 'embedding.weight');
  const [nEmbed, embedDim] = size(codebook);
  const quantizer = new EMAVectorQuantizer({ nEmbed, embedDim, beta: 0.25, decay: 0.9, eps: 1e-5 })
    .double()
    .to(deviceOf(data));
  quantizer.loadStateDict(weights);
  return torch.scope(() => {
    const checks = golden.emaLosses.flatMap((expected, update) => {
      const { loss, indices } = quantizer.forward(need(data, 'ema.z').select(0, update));
      return [
        compareNumber(`ema loss ${update}`, Number(loss.item()), expected, bounds.float64),
        compareExact(`ema indices ${update}`, indices, need(data, 'ema.indices').select(0, update)),
      ];
    });
    const { weight, clusterSize, embedAvg } = quantizer.embedding;
    return [
      ...checks,
      compare('ema.codebook5', weight, need(data, 'ema.codebook5'), bounds.float64),
      compare('ema.clusterSize5', clusterSize, need(data, 'ema.clusterSize5'), bounds.float64),
      compare('ema.embedAvg5', embedAvg, need(data, 'ema.embedAvg5'), bounds.float64),
    ];
  });
}

/** State dict the EMA run starts from. */
export function emaStart(data: Weights): Weights {
  const codebook = need(data, 'ema.codebook0');
  return new Map([
    ['embedding.weight', codebook],
    ['embedding.cluster_size', torch.keep(torch.zeros([codebook.shape[0]!], { dtype: 'float64' }))],
    ['embedding.embed_avg', codebook],
  ]);
}

/** Draws nothing: the noise is given. */
class StoredNoise extends GumbelQuantizer {
  stored: Tensor | null = null;

  protected override gumbelNoise(logits: Tensor): Tensor {
    return this.stored ?? super.gumbelNoise(logits);
  }
}

/** A soft Gumbel sample in float32: with the noise drawn from the stored seed, as only the CPU draws it, or with the stored noise. */
export function checkGumbel(weights: Weights, data: Weights, noise: 'drawn' | 'stored' = 'drawn'): Check[] {
  const [nEmbed, embedDim] = size(need(weights, 'embed.weight'));
  const numHiddens = need(weights, 'proj.weight').shape[1]!;
  const quantizer = new StoredNoise({
    numHiddens,
    embedDim,
    nEmbed,
    straightThrough: false,
    klWeight: 1e-3,
    tempInit: 0.9,
  }).to(deviceOf(data));
  quantizer.loadStateDict(weights);
  const expected = need(data, 'gumbel.noise');
  return torch.scope(() => {
    const z = need(data, 'z').float();
    if (noise === 'stored') quantizer.stored = expected;
    torch.manualSeed(golden.gumbelSeed);
    const { quantized, loss, indices } = quantizer.forward(z);
    torch.manualSeed(golden.gumbelSeed);
    const drawn = torch.empty(expected.shape).exponential_().log().neg();
    return [
      ...(noise === 'drawn' ? [compare('gumbel.noise', drawn, expected, bounds.float32)] : []),
      compare('gumbel.zq', quantized, need(data, 'gumbel.zq'), bounds.float32),
      compare('gumbel.loss', loss, need(data, 'gumbel.loss'), bounds.float32),
      compareExact('gumbel.indices', indices, need(data, 'gumbel.indices')),
    ];
  });
}
