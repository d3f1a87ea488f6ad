/** Mistakes in configurations: of a model, in the reference's structure, and of a run. */
import type { Api } from './checkout.js';
import type { Mistake } from './mistakes-constructors.js';

const ddconfig = {
  double_z: false,
  z_channels: 8,
  resolution: 8,
  in_channels: 3,
  out_ch: 3,
  ch: 32,
  ch_mult: [1],
  num_res_blocks: 0,
  attn_resolutions: [],
};
const vq = 'taming.models.vqgan.VQModel';
const losses = 'taming.modules.losses';
const dummy = { target: `${losses}.DummyLoss` };
const first = { ddconfig, lossconfig: dummy, n_embed: 4, embed_dim: 8 };
const net = 'taming.models.cond_transformer.Net2NetTransformer';
const mingpt = 'taming.modules.transformer.mingpt';
const gpt = {
  target: `${mingpt}.GPT`,
  params: { vocab_size: 4, block_size: 4, n_layer: 1, n_head: 1, n_embd: 4 },
};
const firstStage = { target: vq, params: first };
const both = {
  first_stage_config: firstStage,
  transformer_config: gpt,
  cond_stage_config: '__is_unconditional__',
};
const disc = `${losses}.vqperceptual.VQLPIPSWithDiscriminator`;

const models: Record<string, unknown> = {
  'a number': 3,
  nothing: null,
  'a list': [],
  'no target': { params: {} },
  'a whole file': { model: firstStage },
  'an unknown target': { target: 'taming.models.vqgan.VQModle', params: first },
  'a target that cannot be built': { target: `${mingpt}.CodeGPT` },
  'a scheduler': { target: 'taming.lr_scheduler.LambdaWarmUpCosineScheduler' },
  'arguments beside params': { target: vq, n_embed: 4 },
  'params as a list': { target: vq, params: [1] },
  'an unknown parameter': { target: vq, params: { ...first, n_embd: 4 } },
  'a missing parameter': { target: vq, params: { ...first, n_embed: undefined } },
  'null for what is needed': { target: vq, params: { ...first, embed_dim: null } },
  'text for a number': { target: vq, params: { ...first, n_embed: '4' } },
  'a negative count': { target: vq, params: { ...first, n_embed: -4 } },
  'a flag as a number': { target: vq, params: { ...first, sane_index_shape: 1 } },
  'a file for used codes': { target: vq, params: { ...first, remap: 'used.npy' } },
  'an unknown nested key': { target: vq, params: { ...first, ddconfig: { ...ddconfig, z_chanels: 8 } } },
  'a missing nested key': { target: vq, params: { ...first, ddconfig: { ...ddconfig, ch: undefined } } },
  'a nested list of text': { target: vq, params: { ...first, ddconfig: { ...ddconfig, ch_mult: ['1'] } } },
  'a number instead of an object': { target: vq, params: { ...first, ddconfig: 8 } },
  'a loss without its start': { target: vq, params: { ...first, lossconfig: { target: disc } } },
  'a loss of another kind': {
    target: vq,
    params: { ...first, lossconfig: { target: disc, params: { disc_start: 0, disc_loss: 'wasserstein' } } },
  },
  'an unknown loss': { target: vq, params: { ...first, lossconfig: { target: `${losses}.DumyLoss` } } },
  'a loss as text': { target: vq, params: { ...first, lossconfig: 'none' } },
  'GumbelVQ of another width': { target: 'taming.models.vqgan.GumbelVQ', params: { ...first, embed_dim: 4 } },
  'segmentation without labels': { target: 'taming.models.vqgan.VQSegmentationModel', params: first },
  'parameters for a model without': { target: `${losses}.DummyLoss`, params: { weight: 1 } },
  'a first stage as transformer': { target: net, params: { ...both, transformer_config: firstStage } },
  'a transformer as first stage': { target: net, params: { ...both, first_stage_config: gpt } },
  'a transformer as condition': { target: net, params: { ...both, cond_stage_config: gpt } },
  'a condition by another word': { target: net, params: { ...both, cond_stage_config: '__is_nothing__' } },
  'a transformer as order': { target: net, params: { ...both, permuter_config: gpt } },
  'heads that do not divide': {
    target: net,
    params: { ...both, transformer_config: { ...gpt, params: { ...gpt.params, n_head: 3 } } },
  },
  'an unknown order': {
    target: net,
    params: { ...both, permuter_config: { target: 'taming.modules.transformer.permuter.Spiral' } },
  },
  'an order without its grid': {
    target: net,
    params: { ...both, permuter_config: { target: 'taming.modules.transformer.permuter.SpiralOut' } },
  },
};

const run = { model: firstStage, data: { path: 'photos' }, training: { steps: 1 } };

const runs: readonly [stage: 'vqgan' | 'transformer', what: string, config: unknown][] = [
  ['vqgan', 'nothing', null],
  ['vqgan', 'a list', []],
  ['vqgan', 'an unknown section', { ...run, trainign: {} }],
  ['vqgan', 'no model', { data: run.data, training: run.training }],
  ['vqgan', 'no images', { ...run, data: {} }],
  ['vqgan', 'no end', { ...run, training: {} }],
  ['vqgan', 'an unknown key', { ...run, training: { steps: 1, batchsize: 2 } }],
  ['vqgan', 'a key of the other stage', { ...run, training: { steps: 1, topK: 2 } }],
  ['transformer', 'a key of the other stage', { ...run, training: { steps: 1, restartCodes: true } }],
  ['vqgan', 'steps as text', { ...run, training: { steps: 'many' } }],
  ['vqgan', 'no minutes', { ...run, training: { minutes: 0 } }],
  ['vqgan', 'a share above 1', { ...run, training: { steps: 1, warmup: 1.5 } }],
  ['vqgan', 'one beta', { ...run, training: { steps: 1, betas: [0.5] } }],
  ['vqgan', 'an unknown precision', { ...run, training: { steps: 1, precision: 'float64' } }],
  ['vqgan', 'an unknown device', { ...run, training: { steps: 1, device: 'gpu' } }],
  ['vqgan', 'threads by another word', { ...run, training: { steps: 1, threads: 'all' } }],
  ['vqgan', 'an interval in hours', { ...run, training: { steps: 1, saveEvery: '1h' } }],
  ['vqgan', 'an unknown step', { ...run, training: { steps: 1, step: 'onepass' } }],
  ['transformer', 'half a view', { ...run, training: { steps: 1, views: 0.5 } }],
  ['vqgan', 'an unknown crop', { ...run, data: { path: 'photos', crop: 'middle' } }],
  ['vqgan', 'two channels', { ...run, data: { path: 'photos', channels: 2 } }],
  ['vqgan', 'a negative share held out', { ...run, data: { path: 'photos', heldOut: -1 } }],
  ['vqgan', 'an unknown key of the images', { ...run, data: { path: 'photos', sise: 16 } }],
  ['vqgan', 'a number as path', { ...run, data: { path: 3 } }],
];

export const configMistakes: readonly Mistake[] = [
  ...Object.entries(models).map(([name, config]) => ({
    name: `modelFromConfig: ${name}`,
    make: (api: Api) => api.modelFromConfig(config as never),
  })),
  ...runs.map(([stage, what, config]) => ({
    name: `resolveConfig, ${stage}: ${what}`,
    make: (api: Api) => api.resolveConfig(stage, config),
  })),
];
