import test from 'ava';
import * as torch from '../../../src/torch/index.js';
import type * as nn from '../../../src/torch/nn/index.js';
import { modelFromConfig } from '../../../src/models/registry/from-config.js';
import { Net2NetTransformer } from '../../../src/models/two-stage.js';
import { GPT } from '../../../src/models/priors/gpt.js';
import { VQModel, type EMAVQ } from '../../../src/models/autoencoder/vqgan.js';
import { goldenKeys } from '../../golden/data.js';

for (const [name, { config, keys }] of Object.entries(goldenKeys())) {
  test.serial(`${name}: every key, shape and dtype in the reference’s order`, (t) => {
    const model = modelFromConfig(config, { init: false });
    const state = [...model.stateDict()];
    t.deepEqual(
      state.map(([key, tensor]) => [key, tensor.shape, tensor.dtype]),
      keys,
    );
    for (const [key, tensor] of state) {
      if (!key.endsWith('.mask')) continue;
      const size = tensor.shape[3]!;
      t.is(tensor.sum().item(), (size * (size + 1)) / 2, 'masks are set without initialisation');
      break;
    }
    release(model);
  });
}

/** Gives the memory back at once: garbage collection may take its time. */
function release(model: nn.Module): void {
  const tensors = new Set(model.stateDict().values());
  for (const tensor of tensors) tensor.dispose();
}

const ddconfig = {
  double_z: false,
  z_channels: 16,
  resolution: 32,
  in_channels: 3,
  out_ch: 3,
  ch: 32,
  ch_mult: [1, 2],
  num_res_blocks: 1,
  attn_resolutions: [16],
  dropout: 0.0,
};
const dummy = { target: 'taming.modules.losses.DummyLoss' };
const vq = (params: object = {}) => ({
  target: 'taming.models.vqgan.VQModel',
  params: { embed_dim: 8, n_embed: 24, ddconfig, lossconfig: dummy, ...params },
});
const gpt = (params: object = {}) => ({
  target: 'taming.modules.transformer.mingpt.GPT',
  params: { vocab_size: 24, block_size: 64, n_layer: 1, n_head: 2, n_embd: 16, ...params },
});
const net2net = (params: object = {}) => ({
  target: 'taming.models.cond_transformer.Net2NetTransformer',
  params: {
    transformer_config: gpt(),
    first_stage_config: vq(),
    cond_stage_config: '__is_unconditional__',
    ...params,
  },
});

test('a small model from a configuration samples images of its own', (t) => {
  const net = modelFromConfig<Net2NetTransformer>(
    net2net({
      permuter_config: { target: 'taming.modules.transformer.permuter.ZCurve', params: { H: 4, W: 4 } },
    }),
  );
  t.true(net instanceof Net2NetTransformer);
  const x = torch.rand([2, 3, 8, 8]);
  const { logits, targets } = net.forward(x, x);
  t.deepEqual(
    [logits.shape, targets.shape],
    [
      [2, 16, 24],
      [2, 16],
    ],
  );
  t.deepEqual(net.decodeToImg(targets).shape, [2, 3, 8, 8]);
  t.true(net.firstStageModel instanceof VQModel && net.firstStageModel.quantize.config.legacy);
});

test('what belongs to training is kept and not acted on', (t) => {
  const config = vq({
    ckpt_path: '/nowhere/last.ckpt',
    ignore_keys: ['loss'],
    monitor: 'val/rec_loss',
    image_key: 'depth',
    remap: null,
  });
  const model = modelFromConfig<VQModel>({ ...config, base_learning_rate: 4.5e-6 });
  t.like(model.config, { ...config, base_learning_rate: 4.5e-6 });
  t.is((model.config.params as { ckpt_path: string }).ckpt_path, '/nowhere/last.ckpt');
});

test('the same seed gives the same weights as building the parts by hand', (t) => {
  torch.manualSeed(5);
  const built = modelFromConfig(gpt());
  torch.manualSeed(5);
  const made = new GPT({ vocabSize: 24, blockSize: 64, nLayer: 1, nHead: 2, nEmbd: 16 });
  t.true(torch.equal(built.stateDict().get('head.weight')!, made.head.weight));
  torch.manualSeed(5);
  const again = modelFromConfig(net2net());
  torch.manualSeed(5);
  modelFromConfig(vq());
  const after = modelFromConfig(gpt());
  t.true(
    torch.equal(again.stateDict().get('transformer.head.weight')!, after.stateDict().get('head.weight')!),
  );
});

test('sharing the first stage lists its weights twice', (t) => {
  const keys = [
    ...modelFromConfig(net2net({ cond_stage_config: '__is_first_stage__' }))
      .stateDict()
      .keys(),
  ];
  const firsts = keys.filter((key) => key.startsWith('first_stage_model.'));
  t.true(firsts.length > 50);
  t.deepEqual(
    keys.filter((key) => key.startsWith('cond_stage_model.')),
    firsts.map((key) => key.replace('first_stage_model', 'cond_stage_model')),
  );
});

const others: [target: string, params: object, keys: number][] = [
  ['taming.models.vqgan.VQSegmentationModel', { ...vq().params, n_labels: 5 }, 1],
  ['taming.models.vqgan.EMAVQ', vq().params, 3],
  [
    'taming.models.vqgan.GumbelVQ',
    { ...vq().params, embed_dim: 16, temperature_scheduler_config: { target: 'x' } },
    3,
  ],
  ['taming.modules.losses.segmentation.BCELossWithQuant', { codebook_weight: 2 }, 0],
  ['taming.modules.losses.segmentation.BCELoss', {}, 0],
  ['taming.modules.util.SOSProvider', { sos_token: 1 }, 0],
  ['taming.modules.transformer.permuter.Identity', {}, 0],
  ['taming.modules.discriminator.model.NLayerDiscriminator', { input_nc: 1, ndf: 8, n_layers: 2 }, 0],
  ['tessera.discriminators.NLayer', { in_channels: 1, ndf: 8, spectral_norm: true }, 0],
  ['tessera.discriminators.StyleGAN', { image_size: 16, channels: { 4: 2, '8..16': 3 } }, 0],
  ['tessera.discriminators.StyleGAN2', { image_size: 16, channel_base: 64 }, 0],
  ['tessera.discriminators.MaskBit', { hidden_channels: 32, blur_kernel_size: 3 }, 0],
];
for (const [target, params] of others) {
  test(`${target} can be named`, (t) => {
    t.notThrows(() =>
      modelFromConfig({ target, params: params as Record<string, unknown> }, { init: false }),
    );
  });
}

test('a configuration may hold whatever the classes take', (t) => {
  const remapped = { remap: [1, 4, 7], unknown_index: 'extra' };
  const { quantize } = modelFromConfig<VQModel>(vq({ legacy: false, beta: 0.5, ...remapped }));
  t.like(quantize.config, { legacy: false, beta: 0.5 });
  t.like(quantize, { reEmbed: 4, unknownToken: 3 });
  const target = 'taming.models.vqgan.EMAVQ';
  const ema = modelFromConfig<EMAVQ>({ target, params: { ...vq().params, decay: 0.9, eps: 1e-3, beta: 1 } });
  t.like(ema.quantize.config, { decay: 0.9, eps: 1e-3, beta: 1 });
  const { lossconfig: _, ...lossless } = vq().params;
  t.is(modelFromConfig<VQModel>({ target: 'taming.models.vqgan.VQModel', params: lossless }).loss, null);
});

test('settings of the wider family are taken where they change nothing, and refused with the reason', (t) => {
  const off = { tanh_out: false, use_linear_attn: false, use_timestep: false, use_checkpoint: false };
  const on = { mid_attn: true, use_mid_attn: true, using_mid_sa: true };
  const family = { ...off, ...on, attn_type: 'vanilla', give_pre_end: false };
  const keys = (params: object) => [...modelFromConfig(vq(params), { init: false }).stateDict().keys()];
  for (const attn_type of ['vanilla', 'vanilla-xformers'])
    t.deepEqual(keys({ ddconfig: { ...ddconfig, ...family, attn_type } }), keys({}));
  const others = [
    ...Object.keys(off).map((key) => ({ [key]: true })),
    ...Object.keys(on).map((key) => ({ [key]: false })),
  ];
  for (const other of [{ attn_type: 'linear' }, { attn_type: 'none' }, ...others]) {
    t.throws(() => keys({ ddconfig: { ...ddconfig, ...other } }), {
      message: /or left out: .* (supported|training\.activationCheckpointing .*), got /,
    });
  }
});

const mistakes: [config: unknown, message: RegExp][] = [
  [vq({ n_embd: 3 }), /VQModel: unknown key "params\.n_embd"; did you mean "params\.n_embed"/],
  [
    vq({ ddconfig: { ...ddconfig, ch_mul: [1] } }),
    /"params\.ddconfig\.ch_mul"; did you mean "params\.ddconfig\.ch_mult"/,
  ],
  [vq({ n_embed: undefined }), /params\.n_embed is missing; it must be a positive integer/],
  [vq({ n_embed: '24' }), /params\.n_embed must be a positive integer, got "24"/],
  [vq({ remap: 'used.txt' }), /params\.remap must be a list of integer code indices/],
  [
    net2net({ transformer_config: gpt({ block: 3 }) }),
    /"params\.transformer_config\.params\.block".*\.block_size"/,
  ],
  [net2net({ transformer_config: dummy }), /transformer_config must be a prior, such as a GPT/],
  [net2net({ first_stage_config: gpt() }), /first_stage_config must be a first stage/],
  [net2net({ cond_stage_config: '__is_first__' }), /cond_stage_config must be .*"__is_first_stage__"/],
  [{ target: 'taming.models.vqgan.VQGAN' }, /nearest is "taming\.models\.vqgan\.(VQModel|EMAVQ)"/],
  [{ target: 'taming.modules.transformer.mingpt.CodeGPT' }, /cannot be built: its forward pass fails/],
  [{ model: vq() }, /pass that/],
  [{ ...vq(), n_embed: 3 }, /unknown key "n_embed"/],
  [null, /must be an object/],
  [gpt({ n_head: 3 }), /GPT: nEmbd \(16\)/],
  [{ ...dummy, params: { a: 1 } }, /unknown key "params\.a"; no keys are allowed there/],
];
for (const [config, message] of mistakes) {
  test(`names the mistake: ${message.source}`, (t) => {
    t.throws(() => modelFromConfig(config as Parameters<typeof modelFromConfig>[0], { init: false }), {
      instanceOf: Error,
      message,
    });
  });
}
