import test from 'ava';
import { modelFromConfig } from '../../../src/models/registry/from-config.js';
import type { Net2NetTransformer } from '../../../src/models/two-stage.js';
import * as torch from '../../../src/torch/index.js';
import type * as nn from '../../../src/torch/nn/index.js';
import { goldenKeys } from '../../golden/data.js';
import { firstStages, secondStages } from './reference-configs.js';

const golden = goldenKeys();

/** Keys with their shapes. */
type Shapes = Record<string, readonly number[]>;
const recorded = (name: string): Shapes =>
  Object.fromEntries(golden[name]!.keys.map(([key, shape]) => [key, shape]));

function shapesOf(module: nn.Module): Shapes {
  return Object.fromEntries([...module.stateDict()].map(([key, { shape }]) => [key, shape]));
}

/** Shapes of the recorded first stage with other channels of its images. */
function withChannels(channels: number, loss: boolean): Shapes {
  const shapes = Object.entries(recorded('vqgan_imagenet_f16_1024')).filter(
    ([key]) => loss || !key.startsWith('loss.'),
  );
  const own: Shapes = {
    'encoder.conv_in.weight': [128, channels, 3, 3],
    'decoder.conv_out.weight': [channels, 128, 3, 3],
    'decoder.conv_out.bias': [channels],
    ...(loss && { 'loss.discriminator.main.0.weight': [64, channels, 4, 4] }),
  };
  return { ...Object.fromEntries(shapes), ...own };
}

const wanted: Readonly<Record<string, Shapes>> = {
  custom_vqgan: withChannels(3, true),
  faceshq_vqgan: withChannels(3, true),
  imagenet_vqgan: recorded('vqgan_imagenet_f16_1024'),
  imagenetdepth_vqgan: withChannels(1, true),
  coco_cond_stage: { ...withChannels(183, false), colorize: [3, 183, 1, 1] },
  sflckr_cond_stage: { ...withChannels(182, false), colorize: [3, 182, 1, 1] },
};

for (const [name, config] of Object.entries(firstStages)) {
  test.serial(`${name} has the reference's keys and shapes`, (t) => {
    const model = modelFromConfig(config, { init: false });
    t.deepEqual(shapesOf(model), wanted[name]);
    torch.dispose([...model.parameters(), ...model.buffers()]);
  });
}

test('the other transformers are those whose keys from-config.test.ts compares', (t) => {
  for (const name of ['faceshq_transformer', 'drin_transformer']) {
    const { base_learning_rate: _, ...config } = secondStages[name]!;
    t.deepEqual(config, golden[name]!.config);
  }
});

for (const [name, parameters] of [
  ['coco_scene_images_transformer', 975_876_352],
  ['open_images_scene_images_transformer', 1_045_638_144],
] as const) {
  test.serial(`${name} has the paper's size`, (t) => {
    const model = modelFromConfig<Net2NetTransformer>(secondStages[name]!, { init: false });
    const counts = model.transformer.parameters().map((parameter) => parameter.numel());
    t.is(
      counts.reduce((sum, count) => sum + count, 0),
      parameters,
    );
    t.is(model.transformer.blockSize, 92 + 16 * 16);
    t.is(model.condition.field, 'objects_bbox');
    torch.dispose([...model.parameters(), ...model.buffers()]);
  });
}
