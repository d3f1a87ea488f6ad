import test from 'ava';
import { modelFromConfig } from '../../../../src/models/registry/from-config.js';
import type { GumbelVQ } from '../../../../src/models/autoencoder/vqgan.js';
import { temperatureSetter } from '../../../../src/training/stages/vqgan/gumbel-temperature.js';
import { SIZE } from '../../tiny.js';

const params = { warm_up_steps: 4, lr_start: 0.5, lr_max: 1, lr_min: 0.1, max_decay_steps: 14 };
const target = 'taming.lr_scheduler.LambdaWarmUpCosineScheduler';

function gumbel(temperature: unknown): GumbelVQ {
  const ddconfig = { ch: 32, ch_mult: [1], num_res_blocks: 0, attn_resolutions: [], resolution: SIZE };
  const channels = { in_channels: 3, out_ch: 3, z_channels: 8, double_z: false };
  return modelFromConfig<GumbelVQ>({
    target: 'taming.models.vqgan.GumbelVQ',
    params: {
      n_embed: 4,
      embed_dim: 8,
      ddconfig: { ...ddconfig, ...channels },
      lossconfig: { target: 'taming.modules.losses.DummyLoss' },
      temperature_scheduler_config: temperature,
    },
  });
}

for (const [step, expected] of [
  [0, 0.5],
  [2, 0.75],
  [4, 1],
  [9, 0.55],
  [14, 0.1],
  [1000, 0.1],
] as const) {
  test(`linear warm-up, then half a cosine: step ${step}`, (t) => {
    const model = gumbel({ target, params });
    temperatureSetter(model)(step);
    t.true(Math.abs(model.quantize.temperature - expected) < 1e-15);
  });
}

test('the schedule of the configuration sets the temperature of the quantizer', (t) => {
  const model = gumbel({ target, params });
  temperatureSetter(model)(2);
  t.is(model.quantize.temperature, 0.75);
  const plain = gumbel(null);
  temperatureSetter(plain)(2);
  t.is(plain.quantize.temperature, 1);
});

for (const [what, config, message] of [
  [
    'another scheduler',
    { target: 'torch.optim.Other', params },
    /temperature_scheduler_config\.target must be one of/,
  ],
  ['a misspelt key', { target, params: { ...params, lr_mim: 1 } }, /unknown key ".*\.lr_mim".*\.lr_min"/],
  ['a missing key', { target, params: { ...params, lr_max: undefined } }, /lr_max is missing/],
  [
    'an end before the warm-up',
    { target, params: { ...params, max_decay_steps: 4 } },
    /max_decay_steps must be greater/,
  ],
] as const) {
  test(`refused: ${what}`, (t) => {
    t.throws(() => temperatureSetter(gumbel(config)), { instanceOf: TypeError, message });
  });
}
