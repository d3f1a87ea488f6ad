/** Validates a first stage's configuration before anything is opened or written. */
import { sidesOfBuckets } from '../../../data/batches/buckets.js';
import type { Backbone } from '../../../models/autoencoder/blocks.js';
import type { Discriminator } from '../../../models/discriminators/discriminator.js';
import { NLayerDiscriminator } from '../../../models/discriminators/n-layer.js';
import type { ModelConfig } from '../../../models/registry/from-config.js';
import { ResidualQuantizer } from '../../../models/quantizers/residual.js';
import { LPIPS } from '../../../models/losses/lpips.js';
import type { FirstStage } from '../../../models/autoencoder/vqgan.js';
import * as torch from '../../../torch/index.js';
import type { RunConfig } from '../../../runs/config.js';
import { RunError } from '../../../runs/error.js';
import type { Images } from '../../images.js';
import { modelOfSection } from '../../engine/model-section.js';
import { checkOptimizer } from '../../engine/optimizers.js';
import { checkFirstStage, checkSize } from '../first-stage-check.js';
import { temperatureSetter } from './gumbel-temperature.js';
import type { InitialWeights } from '../initial-weights.js';
import { lossOf, type AdversarialLoss } from './loss.js';
import { readsLabels } from './segmentation-step.js';

/** Sets the patch discriminator's input channels to the model's if the configuration leaves them out. */
export function withDiscriminatorChannels(config: RunConfig): RunConfig {
  const { params } = config.model;
  const loss = params?.['lossconfig'] as ModelConfig | undefined;
  const channels = (params?.['ddconfig'] as { out_ch?: number } | undefined)?.out_ch;
  const usual = channels === undefined || channels === 3;
  if (usual || loss?.params?.['discriminator'] || !loss?.target?.endsWith('VQLPIPSWithDiscriminator'))
    return config;
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
  const model = modelOfSection<FirstStage>(config.model, false);
  try {
    temperatureSetter(model);
    checkGraph(model, config);
    checkBuckets(model, config);
    checkOptimizer(config.training, 'Adam');
    const labels = readsLabels(model);
    if (labels) checkLabels(model, config);
    checkFirstStage(model, config, 'model', fieldOf(config) !== null);
    if (!labels) {
      checkWarmup(lossOf(model), config);
      checkDiscriminator(lossOf(model), model.config.ddconfig.outCh, config);
      checkPerceptual(config);
    }
    notes.push(...unusedAttention(model.config.ddconfig));
    initial?.fill(model);
  } finally {
    torch.dispose([...model.parameters(), ...model.buffers()]);
  }
}

/** Returns the map that the model is trained on instead of the images, its `image_key`; null for the images. */
export function fieldOf({ model }: RunConfig): string | null {
  const key = model.params?.['image_key'];
  return typeof key === 'string' && key !== IMAGE ? key : null;
}

const IMAGE = 'image';

/** Returns the map that a run trains on; null for the images, also in runs from before maps were read. */
export function mapOf(config: RunConfig): string | null {
  const field = fieldOf(config);
  return field !== null && config.data.maps?.includes(field) ? field : null;
}

/** @throws RunError if the map that the model is trained on has other channels than its encoder takes */
export function checkMap(config: RunConfig, { train }: Images): void {
  const { model, data } = config;
  const field = mapOf(config);
  if (field === null) return;
  const { in_channels: taken } = model.params!['ddconfig'] as { in_channels: number };
  const channels = train.channelsOfMap(field);
  if (taken === channels) return;
  throw new RunError(
    `model.params.ddconfig.in_channels is ${taken}, but the map "${field}" (model.params.image_key) of the images in ` +
      `${data.path} has ${channels}: set in_channels and out_ch to ${channels}`,
  );
}

function checkGraph({ quantize }: FirstStage, { training }: RunConfig): void {
  const { graph, accumulate, activationCheckpointing } = training;
  if (!graph) return;
  const drops = [...quantize.modules()].some(
    (part) => part instanceof ResidualQuantizer && part.config.quantizeDropout,
  );
  if (drops) {
    throw new TypeError(
      'training.graph replays a recorded step, in which quantize_dropout would leave out the same layers each time: leave ' +
        'out one of them',
    );
  }
  if (accumulate === 1 && !activationCheckpointing) return;
  const setting = accumulate === 1 ? 'activationCheckpointing=true' : `accumulate=${accumulate}`;
  throw new TypeError(`training.graph cannot record a step with training.${setting}: leave out one of them`);
}

/** Returns the shortest side of the training images in pixels. */
function shortestSide({ data }: RunConfig): number {
  return Math.min(data.size, ...sidesOfBuckets(data.buckets ?? []).flat());
}

function checkBuckets(model: FirstStage, { data, training }: RunConfig): void {
  for (const side of sidesOfBuckets(data.buckets ?? []).flat())
    checkSize(model, side, 'each side in data.buckets');
  if (data.buckets && data.crop === 'resized') {
    throw new TypeError(
      'data.crop=resized draws the proportions of crops, which data.buckets fixes: leave out one of them',
    );
  }
  if (data.buckets && training.graph) {
    throw new TypeError('training.graph records steps of one size: leave out data.buckets');
  }
}

function checkLabels({ config: { colorizeNlabels: labels }, loss }: FirstStage, config: RunConfig): void {
  const { ddconfig } = config.model.params as { ddconfig: { out_ch: number } };
  if (fieldOf(config) === null) {
    throw new TypeError(
      `model.params.lossconfig is ${loss!.constructor.name}, for label maps: name their field in model.params.image_key, ` +
        'such as segmentation',
    );
  }
  if (labels && labels !== ddconfig.out_ch) {
    throw new TypeError(
      `model.params.n_labels is ${labels}, but ddconfig.out_ch is ${ddconfig.out_ch}: set them to the same`,
    );
  }
  if (config.training.graph) {
    throw new TypeError('training.graph records the steps of a VQGAN with a discriminator: leave it out');
  }
}

function checkDiscriminator(
  { discriminator, discConditional }: AdversarialLoss,
  channels: number,
  config: RunConfig,
): void {
  const section = 'model.params.lossconfig.params';
  if (discConditional) {
    throw new TypeError(
      `${section}.disc_conditional is true, but this trainer has no condition to pass: leave it out, or write your own ` +
        'loop with onePassStep',
    );
  }
  if (!(discriminator instanceof NLayerDiscriminator))
    return checkOther(discriminator, channels, config, `${section}.discriminator`);
  if (discriminator.inChannels !== channels) {
    throw new TypeError(
      `${section}.disc_in_channels is ${discriminator.inChannels}, but the model's images have ${channels} channels: leave it out, or set it to ${channels}`,
    );
  }
  const size = shortestSide(config);
  const most = NLayerDiscriminator.mostLayers(size);
  if (discriminator.nLayers <= most) return;
  const least = 3 * 2 ** discriminator.nLayers;
  throw new TypeError(
    `${section}.disc_num_layers is ${discriminator.nLayers}, too many for images of ${size} pixels (data.size): set ` +
      (most > 0 ? `it to at most ${most}, or ` : '') +
      `data.size to at least ${least}`,
  );
}

function checkOther(
  { inChannels, imageSize }: Discriminator,
  channels: number,
  { data }: RunConfig,
  section: string,
): void {
  if (inChannels !== channels) {
    throw new TypeError(
      `${section} takes images with ${inChannels} channels, but the model's images have ${channels}: set the number of ` +
        `channels in ${section}.params to ${channels}`,
    );
  }
  if (imageSize === undefined) return;
  if (data.buckets) {
    throw new TypeError(
      `${section} takes images of ${imageSize}×${imageSize} pixels only: leave out data.buckets, or choose ` +
        'tessera.discriminators.MaskBit, which takes any size',
    );
  }
  if (imageSize === data.size) return;
  throw new TypeError(
    `${section}.params.image_size is ${imageSize}, but images have ${data.size} pixels (data.size): set it to ${data.size}`,
  );
}

function checkWarmup({ config: { discWarmup } }: AdversarialLoss, { training }: RunConfig): void {
  if (discWarmup === 0 || training.discriminatorFrom === 0) return;
  throw new TypeError(
    `model.params.lossconfig.params.disc_warmup counts steps before disc_start, but training.discriminatorFrom=` +
      `${training.discriminatorFrom} starts the discriminator at a share of the run: set disc_start instead of it`,
  );
}

function checkPerceptual({ model, data, training }: RunConfig): void {
  const loss = model.params?.['lossconfig'] as ModelConfig;
  const acts = training.lpips !== 'off' && loss.params?.['perceptual_weight'] !== 0;
  if (!acts || data.size >= LPIPS.leastSide) return;
  throw new TypeError(
    `the perceptual loss needs images of at least ${LPIPS.leastSide} pixels, but data.size is ${data.size}: ` +
      'increase it, or set training.lpips=off',
  );
}

/** Returns warnings for attention resolutions that match no nominal side of a level, and so have no effect. */
function unusedAttention({ attnResolutions, resolution, chMult }: Backbone): string[] {
  const sides = chMult.map((_, level) => Math.floor(resolution / 2 ** level));
  const unused = attnResolutions.filter((side) => !sides.includes(side));
  if (unused.length === 0) return [];
  return [
    `model.params.ddconfig.attn_resolutions lists ${unused.join(', ')}, but the levels have the sizes ` +
      `${sides.join(', ')} for resolution ${resolution}: no attention is added for ${unused.join(', ')}`,
  ];
}
