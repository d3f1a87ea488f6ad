/** Validates a first stage's configuration before anything is opened or written. */
import type { Backbone } from '../../../models/autoencoder/blocks.js';
import { NLayerDiscriminator } from '../../../models/losses/discriminator.js';
import { modelFromConfig, type ModelConfig } from '../../../models/registry/from-config.js';
import { LPIPS } from '../../../models/losses/lpips.js';
import type { FirstStage } from '../../../models/autoencoder/vqgan.js';
import type { VQLPIPSWithDiscriminator } from '../../../models/losses/vqgan-loss.js';
import * as torch from '../../../torch/index.js';
import type { RunConfig } from '../../../runs/config.js';
import { checkFirstStage } from '../first-stage-check.js';
import { temperatureSetter } from './gumbel-temperature.js';
import type { InitialWeights } from '../initial-weights.js';
import { lossOf } from './loss.js';

/** Sets the discriminator's input channels to the model's if the configuration leaves them out. */
export function withDiscriminatorChannels(config: RunConfig): RunConfig {
  const { params } = config.model;
  const loss = params?.['lossconfig'] as ModelConfig | undefined;
  const channels = (params?.['ddconfig'] as { out_ch?: number } | undefined)?.out_ch;
  const usual = channels === undefined || channels === 3;
  if (usual || !loss?.target?.endsWith('VQLPIPSWithDiscriminator')) return config;
  const lossconfig = { ...loss, params: { disc_in_channels: channels, ...loss.params } };
  return { ...config, model: { ...config.model, params: { ...params, lossconfig } } };
}

/**
 * Builds the model once, and checks that its parts and the images fit each other.
 *
 * @param notes receives warnings about settings that are unusual but work
 * @param initial initial weights, which must fit too
 * @throws TypeError with the setting, and values that would fit
 */
export function checkVqgan(config: RunConfig, notes: string[], initial: InitialWeights | null = null): void {
  const model = modelFromConfig<FirstStage>(config.model, { init: false });
  try {
    const loss = lossOf(model);
    temperatureSetter(model);
    checkFirstStage(model, config, 'model');
    checkDiscriminator(loss, model.config.ddconfig.outCh, config.data.size);
    checkPerceptual(config);
    notes.push(...unusedAttention(model.config.ddconfig));
    initial?.fill(model);
  } finally {
    torch.dispose([...model.parameters(), ...model.buffers()]);
  }
}

function checkDiscriminator(
  { discriminator, discConditional }: VQLPIPSWithDiscriminator,
  channels: number,
  size: number,
): void {
  const section = 'model.params.lossconfig.params';
  if (discConditional) {
    throw new TypeError(
      `${section}.disc_conditional is true, but this trainer has no condition to show: leave it out, or write a loop of ` +
        'your own on onePassStep',
    );
  }
  if (discriminator.inChannels !== channels) {
    throw new TypeError(
      `${section}.disc_in_channels is ${discriminator.inChannels}, but the pictures it sees have ${channels}: leave it out, or set it to ${channels}`,
    );
  }
  const most = NLayerDiscriminator.mostLayers(size);
  if (discriminator.nLayers <= most) return;
  const least = 3 * 2 ** discriminator.nLayers;
  throw new TypeError(
    `${section}.disc_num_layers is ${discriminator.nLayers}, which pictures of ${size} pixels (data.size) are too small for: ` +
      (most > 0 ? `at most ${most} fit, or ` : '') +
      `data.size must be at least ${least}`,
  );
}

function checkPerceptual({ model, data, training }: RunConfig): void {
  const loss = model.params?.['lossconfig'] as ModelConfig;
  const acts = training.lpips !== 'off' && loss.params?.['perceptual_weight'] !== 0;
  if (!acts || data.size >= LPIPS.leastSide) return;
  throw new TypeError(
    `the perceptual loss compares pictures of at least ${LPIPS.leastSide} pixels, and data.size is ${data.size}: ` +
      'set training.lpips=off',
  );
}

/** Returns warnings for attention resolutions that match no nominal side of a level, and so have no effect. */
function unusedAttention({ attnResolutions, resolution, chMult }: Backbone): string[] {
  const sides = chMult.map((_, level) => Math.floor(resolution / 2 ** level));
  const unused = attnResolutions.filter((side) => !sides.includes(side));
  if (unused.length === 0) return [];
  return [
    `model.params.ddconfig.attn_resolutions names ${unused.join(', ')}, which no level has: they are ` +
      `${sides.join(', ')} for resolution ${resolution}, so no attention is added there`,
  ];
}
