import test from 'ava';
import { backbones } from '../../../src/models/autoencoder/blocks.js';
import { codesOfConfig } from '../../../src/models/autoencoder/stride.js';
import { FirstStage } from '../../../src/models/autoencoder/vqgan.js';
import { VQGAN } from '../../../src/models/autoencoder/any-quantizer.js';
import { BSQ } from '../../../src/models/quantizers/bsq.js';
import { LFQ } from '../../../src/models/quantizers/lfq.js';
import { MultiScaleVQ } from '../../../src/models/quantizers/multi-scale.js';
import type { Quantizer } from '../../../src/models/quantizers/quantizer.js';
import { VectorQuantizer } from '../../../src/models/quantizers/vector.js';
import { quantizers } from '../../../src/models/quantizers/index.js';
import { modelFromConfig } from '../../../src/models/registry/from-config.js';
import { describeWeights } from '../../../src/models/weights/describe.js';
import * as torch from '../../../src/torch/index.js';
import { GumbelQuantizer } from '../../../src/models/quantizers/gumbel.js';

const ddconfig = {
  double_z: false,
  z_channels: 8,
  resolution: 8,
  in_channels: 3,
  out_ch: 3,
  ch: 32,
  ch_mult: [1, 1],
  num_res_blocks: 1,
  attn_resolutions: [],
};

/** Arguments of each, as a configuration has them, for few codes of width 4. */
const params: Record<string, Record<string, unknown>> = {
  Vector: { n_embed: 16, embed_dim: 4, legacy: false },
  EMA: { n_embed: 16, embed_dim: 4, decay: 0.9 },
  BSQ: { embed_dim: 4, group_size: 2, l2_norm: true },
  FSQ: { levels: [4, 4], dim: 4 },
  LFQ: { codebook_size: 16 },
  MultiScaleVQ: { vocab_size: 16, embed_dim: 4, v_patch_nums: [1, 2, 4] },
  SimVQ: { dim: 4, codebook_size: 16 },
  IBQ: { n_embed: 16, embed_dim: 4, use_entropy_loss: true },
  VectorQuantize: { n_embed: 16, embed_dim: 4, threshold_ema_dead_code: 1 },
  ResidualVQ: { dim: 4, codebook_size: [16, 8], quantize_dropout: true },
  GroupedResidualVQ: { dim: 4, groups: 2, codebook_size: 16, num_quantizers: 2 },
  ResidualSimVQ: { dim: 4, codebook_size: 16, num_quantizers: 2 },
  ResidualLFQ: { dim: 4, codebook_size: 16, num_quantizers: 2 },
  ResidualFSQ: { dim: 4, levels: [4, 4], num_quantizers: 2 },
  GroupedResidualFSQ: { dim: 4, groups: 2, levels: [4, 4], num_quantizers: 2 },
  Gumbel: { n_embed: 16, embed_dim: 4, num_hiddens: 6, remap: [1, 5] },
};

/** Shapes of the indices of an image, of those that do not choose one code at each position. */
const shapes: Record<string, number[]> = {
  MultiScaleVQ: [1, 21],
  ResidualVQ: [1, 4, 4, 2],
  GroupedResidualVQ: [2, 1, 4, 4, 2],
  ResidualSimVQ: [1, 4, 4, 2],
  ResidualLFQ: [1, 4, 4, 2],
  ResidualFSQ: [1, 4, 4, 2],
  GroupedResidualFSQ: [2, 1, 4, 4, 2],
};

for (const [name, { Class, stage, marks }] of Object.entries(quantizers)) {
  const quantizer = { target: `tessera.quantizers.${name}`, params: params[name]! };

  test(`${name}: in a first stage of a configuration`, (t) => {
    t.truthy(params[name], 'add its arguments to the table above');
    const config = { target: 'tessera.VQGAN', params: { ddconfig, quantizer } };
    torch.manualSeed(5);
    const model = modelFromConfig<FirstStage>(config);
    t.true(model.quantize instanceof Class);
    const { nEmbed } = model.config;
    t.is(nEmbed, Number(params[name]!['n_embed'] ?? nEmbed));
    const read = codesOfConfig(config.params);
    t.deepEqual(
      [read.nEmbed, read.nCodes],
      [nEmbed, model.nCodes],
      'a second stage reads them from the configuration',
    );
    const x = torch.rand([1, 3, 8, 8]);
    const { reconstruction, indices } = torch.noGrad(() => model.eval().forward(x));
    t.deepEqual(reconstruction.shape, [1, 3, 8, 8]);
    const grid = shapes[name] ?? [1, 4, 4];
    t.deepEqual(indices.shape, grid);
    t.deepEqual(model.decodeIndices(indices).shape, [1, 3, 8, 8]);
    const z = torch.noGrad(() => model.encodeToPrequant(x));
    const codebook = model.quantize.codebook.tolist();
    model.train();
    const [once, again] = [3, 4].map((seed) => {
      torch.manualSeed(seed);
      return torch.noGrad(() => model.quantize.indices(z));
    });
    t.deepEqual(model.quantize.codebook.tolist(), codebook, 'no code moves, not even in training');
    t.deepEqual(once!.shape, grid);
    t.deepEqual(once!.tolist(), again!.tolist(), 'without random numbers');
    t.true(Number(once!.max().item()) < model.nCodes);
    t.throws(() => model.quantize.indices(torch.ones([1, 5, 2, 2])), { message: /expects? latents/ });
    t.true(Number(indices.max().item()) < model.nCodes);
    const weights = new Map([...model.stateDict()].map(([key, tensor]) => [key, tensor.shape]));
    if (marks) t.regex(describeWeights(weights)[0]!, new RegExp(`^${stage} f2, ${nEmbed} codes of width 4`));
  });

  test(`${name}: by itself`, (t) => {
    const made = modelFromConfig(quantizer);
    t.true(made instanceof Class);
  });
}

test('a first stage is made of a quantizer in TypeScript, too', (t) => {
  const config = {
    ...backbones.f16,
    ch: 32,
    chMult: [1, 1],
    zChannels: 8,
    resolution: 8,
    attnResolutions: [],
  };
  const quantizer = new GumbelQuantizer({ numHiddens: 6, embedDim: 4, nEmbed: 16 });
  const model = new FirstStage({ ddconfig: config }, quantizer);
  t.is(model.quantize, quantizer);
  t.deepEqual(model.quantConv.weight.shape, [6, 8, 1, 1]);
  t.deepEqual(model.postQuantConv.weight.shape, [8, 4, 1, 1]);
});

test('its width may be stated, but not wrongly', (t) => {
  const quantizer = { target: 'tessera.quantizers.FSQ', params: { levels: [3, 3] } };
  const vqgan = (embed_dim: number) => ({
    target: 'tessera.VQGAN',
    params: { ddconfig, quantizer, embed_dim },
  });
  t.is(modelFromConfig<FirstStage>(vqgan(2)).config.embedDim, 2);
  t.throws(() => modelFromConfig(vqgan(4)), {
    message: /embedDim is 4, but the codes of FSQ have a width of 2/,
  });
});

test('what is not a quantizer is refused', (t) => {
  const quantizer = { target: 'taming.modules.losses.DummyLoss' };
  const config = { target: 'tessera.autoencoder.FirstStage', params: { ddconfig, quantizer } };
  t.throws(() => modelFromConfig(config), { instanceOf: TypeError, message: /must be a quantizer/ });
});

const lacking: [string, () => Quantizer, string[]][] = [
  [
    'VectorQuantizer',
    () => new VectorQuantizer({ nEmbed: 8, embedDim: 4, showUsage: true }),
    ['codebook_used'],
  ],
  [
    'MultiScaleVQ',
    () => new MultiScaleVQ({ vocabSize: 8, embedDim: 4, vPatchNums: [1, 4] }),
    ['ema_vocab_hit_SV'],
  ],
  ['BSQ', () => new BSQ({ embedDim: 4, groupSize: 2 }), ['basis', 'group_basis']],
  ['LFQ', () => new LFQ({ dim: 4 }), ['mask']],
];
for (const [name, make, keys] of lacking)
  test(`a state dict of a first stage may lack ${keys.join(' and ')} of ${name}`, (t) => {
    const tiny = { ...backbones.f16, ch: 32, chMult: [1, 1], zChannels: 4, resolution: 8 };
    const model = new VQGAN({ ddconfig: tiny, quantizer: make() });
    const all = model.stateDict();
    const present = keys.map((key) => `quantize.${key}`).filter((key) => all.has(key));
    t.true(present.length > 0);
    const without = new Map([...all].filter(([key]) => !present.includes(key)));
    t.deepEqual(model.loadStateDict(without), { missing: [], unexpected: [] });
  });
