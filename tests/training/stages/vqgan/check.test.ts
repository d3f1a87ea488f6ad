import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { ImageSource } from '../../../../src/data/image-source.js';
import { NLayerDiscriminator } from '../../../../src/models/discriminators/n-layer.js';
import * as torch from '../../../../src/torch/index.js';
import { saveSafetensors } from '../../../../src/torch/io/index.js';
import { VqganTrainer } from '../../../../src/training/vqgan-trainer.js';
import { eventsOf, images, stripes, temporaryFolder, vqganConfig } from '../../tiny.js';

interface Changes {
  loss?: Record<string, unknown>;
  dd?: Record<string, unknown>;
  data?: Record<string, unknown>;
  training?: Record<string, unknown>;
}

/** The tiny configuration with some settings replaced. */
function changed({ loss, dd, data, training }: Changes) {
  const config = vqganConfig({ steps: 1, ...training });
  const { params } = config.model;
  const { ddconfig, lossconfig } = params;
  return {
    ...config,
    data: { ...config.data, ...data },
    model: {
      ...config.model,
      params: {
        ...params,
        ddconfig: { ...ddconfig, ...dd },
        lossconfig: { ...lossconfig, params: { ...lossconfig.params, ...loss } },
      },
    },
  };
}

/** Settings of a loss with another discriminator than the tiny one. */
const another = (name: string, params: object) => ({
  disc_num_layers: null,
  disc_ndf: null,
  discriminator: { target: `tessera.discriminators.${name}`, params },
});

const wrong: [string, Changes, RegExp][] = [
  [
    'a discriminator deeper than the images',
    { loss: { disc_num_layers: 3 } },
    /disc_num_layers is 3, too many for images of 16 pixels \(data\.size\): set it to at most 2, or data\.size to at least 24/,
  ],
  [
    'images too small for any discriminator',
    { data: { size: 4 } },
    /disc_num_layers is 1.*set data\.size to at least 6/,
  ],
  [
    'more halvings than the images allow',
    { dd: { ch_mult: [1, 1, 1, 1, 1, 1] } },
    /data\.size must be a multiple of 32/,
  ],
  [
    'two channels',
    { dd: { in_channels: 2, out_ch: 2 } },
    /in_channels 2, out_ch 2: both must be 3 \(RGB\), or both 1 \(grey\)/,
  ],
  ['four channels', { dd: { in_channels: 4, out_ch: 4 } }, /in_channels 4, out_ch 4/],
  ['one channel in and three out', { dd: { in_channels: 1 } }, /in_channels 1, out_ch 3/],
  [
    'other channels of the data',
    { data: { channels: 1 } },
    /data\.channels is 1, but model\.params\.ddconfig has in_channels 3/,
  ],
  [
    'a discriminator of other channels',
    { loss: { disc_in_channels: 1 } },
    /disc_in_channels is 1, but the model's images have 3 channels/,
  ],
  [
    'a discriminator with a condition',
    { loss: { disc_conditional: true } },
    /disc_conditional is true, but this trainer has no condition/,
  ],
  [
    'a discriminator of another image size',
    { loss: another('StyleGAN2', { image_size: 32 }) },
    /discriminator\.params\.image_size is 32, but images have 16 pixels \(data\.size\): set it to 16/,
  ],
  [
    'another discriminator of other channels',
    { loss: another('MaskBit', { num_channels: 1 }) },
    /discriminator takes images with 1 channels, but the model's images have 3: set the number of channels/,
  ],
  [
    'a discriminator of one size for buckets',
    {
      loss: another('StyleGAN', { image_size: 16, channels: { '4..16': 4 } }),
      data: { buckets: ['16x16', '32x16'] },
    },
    /takes images of 16×16 pixels only: leave out data\.buckets, or choose tessera\.discriminators\.MaskBit/,
  ],
  [
    'settings of the patch discriminator next to another',
    { loss: { ...another('MaskBit', {}), disc_ndf: 8 } },
    /discNdf belongs to the patch discriminator, but another one is given/,
  ],
  [
    'a model that is not a discriminator',
    {
      loss: {
        ...another('MaskBit', {}),
        discriminator: { target: 'tessera.quantizers.FSQ', params: { levels: [3] } },
      },
    },
    /discriminator must be a discriminator, such as tessera\.discriminators\.StyleGAN2/,
  ],
  [
    'an unknown augmentation',
    { loss: { diff_augment: 'color,flip' } },
    /diff_augment must be color, translation, cutout, or several of them.*got "color,flip"/,
  ],
  ['an encoder of twice the latents', { dd: { double_z: true } }, /double_z is true.*set it to false/],
  ['an encoder of twice the latents, by default', { dd: { double_z: undefined } }, /double_z is true/],
  ['a decoder without its end', { dd: { give_pre_end: true } }, /give_pre_end is true.*leave it out/],
];

for (const [what, changes, message] of wrong) {
  test.serial(`${what}: the setting and what fits are named before anything is written`, async (t) => {
    const run = join(temporaryFolder(t), 'run');
    await t.throwsAsync(VqganTrainer.create(changed(changes), { run, images: images() }), {
      instanceOf: TypeError,
      message,
    });
    t.false(existsSync(run));
  });
}

test('the most layers of a discriminator are those that leave a logit', (t) => {
  for (const side of [1, 4, 5, 6, 7, 11, 12, 13, 23, 24, 25, 47, 48, 64]) {
    const most = NLayerDiscriminator.mostLayers(side);
    const gives = (nLayers: number) => {
      if (nLayers === 0) return true;
      try {
        const net = new NLayerDiscriminator({ nLayers, ndf: 1 }).eval();
        return torch.noGrad(() =>
          torch.scope(() => net.forward(torch.zeros([1, 3, side, side])).numel() > 0),
        );
      } catch {
        return false;
      }
    };
    t.true(gives(most) && !gives(most + 1), `${side}: ${most}`);
  }
});

test.serial('attention at a side that no level has is noted', async (t) => {
  const trainer = await VqganTrainer.create(changed({ dd: { attn_resolutions: [8, 5] } }), {
    run: join(temporaryFolder(t), 'run'),
    images: images(),
  });
  const [start] = await eventsOf(trainer);
  t.regex(
    JSON.stringify(start),
    /attn_resolutions lists 5, but the levels have the sizes 16, 8 for resolution 16/,
  );
});

test.serial('images too small for the perceptual loss are refused if it is used', async (t) => {
  const folder = temporaryFolder(t);
  const lpips = join(folder, 'lpips.safetensors');
  await saveSafetensors(lpips, { a: torch.zeros([1]) });
  const small = { train: new ImageSource(stripes(4, [], 20), 8), heldOut: new ImageSource(stripes(1), 8) };
  const config = (training: Record<string, unknown>) =>
    changed({ data: { size: 8 }, loss: { perceptual_weight: 1 }, training });
  await t.throwsAsync(VqganTrainer.create(config({ lpips }), { run: join(folder, 'on'), images: small }), {
    message: /images of at least 16 pixels, but data\.size is 8: increase it, or set training\.lpips=off/,
  });
  const off = await VqganTrainer.create(config({ lpips: 'off' }), {
    run: join(folder, 'off'),
    images: small,
  });
  await t.notThrowsAsync(off.close());
});

test.serial('images of another size than the configuration says are refused', async (t) => {
  const other = { train: new ImageSource(stripes(4), 8), heldOut: new ImageSource(stripes(1), 8) };
  await t.throwsAsync(
    VqganTrainer.create(vqganConfig(), { run: join(temporaryFolder(t), 'run'), images: other }),
    {
      message: /passed are 8 × 8 pixels, but data\.size is 16: set data\.size=8/,
    },
  );
});

for (const name of ['ResidualVQ', 'GroupedResidualVQ'])
  test.serial(`a graph of steps that leave out layers by chance is refused: ${name}`, async (t) => {
    const run = join(temporaryFolder(t), 'run');
    const config = vqganConfig({ graph: true });
    const { ddconfig, lossconfig } = config.model.params;
    const groups = name === 'ResidualVQ' ? {} : { groups: 2 };
    const params = { dim: 8, codebook_size: 16, num_quantizers: 2, quantize_dropout: true, ...groups };
    const quantizer = { target: `tessera.quantizers.${name}`, params };
    const given = {
      ...config,
      model: { target: 'tessera.VQGAN', params: { ddconfig, lossconfig, quantizer } },
    };
    await t.throwsAsync(VqganTrainer.create(given, { run, images: images() }), {
      instanceOf: TypeError,
      message: /training\.graph replays .* quantize_dropout would leave out the same layers each time/,
    });
    t.false(existsSync(run));
  });
