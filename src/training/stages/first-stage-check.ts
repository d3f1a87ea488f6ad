/** Checks that images fit a first stage, for both stages of training. */
import type { Backbone } from '../../models/autoencoder/blocks.js';
import type { FirstStage } from '../../models/autoencoder/vqgan.js';
import type { RunConfig } from '../../runs/config.js';

/**
 * Checks that a first stage supports the size and the channels of a run's images.
 *
 * @param section section that describes the first stage, such as `model`
 * @param ofMaps true if it encodes maps of the images, whose channels are known only later
 * @throws TypeError with the setting, and values that would fit
 */
export function checkFirstStage(
  model: FirstStage,
  { data }: RunConfig,
  section: string,
  ofMaps = false,
): void {
  const { ddconfig } = model.config;
  const where = `${section}.params.ddconfig`;
  checkSize(model, data.size);
  checkChannels(ddconfig, ofMaps ? null : data.channels, where);
  checkBackbone(ddconfig, where);
}

/** @throws TypeError if a first stage does not divide images of this size into whole codes */
export function checkSize(model: FirstStage, size: number, setting = 'data.size'): void {
  const block = model.stride;
  const { ch, chMult } = model.config.ddconfig;
  // With a single position, each group of a 32-group norm would have only one value to normalise.
  const least = ch * Math.max(...chMult.slice(-1)) > 32 ? block : 2 * block;
  if (size % block === 0 && size >= least) return;
  throw new TypeError(
    `${setting} must be a multiple of ${block}, the model's downsampling factor${least > block ? `, and at least ${least}` : ''}; ` +
      `got ${size}. The nearest valid size is ${Math.max(least, Math.round(size / block) * block)}`,
  );
}

function checkChannels({ inChannels, outCh }: Backbone, channels: number | null, where: string): void {
  const given = `${where} has in_channels ${inChannels}, out_ch ${outCh}`;
  if (channels === null) {
    if (inChannels === outCh) return;
    throw new TypeError(`${given}: a map is decoded to as many channels as it has; set them to the same`);
  }
  if (inChannels !== outCh || (inChannels !== 1 && inChannels !== 3)) {
    throw new TypeError(`${given}: both must be 3 (RGB), or both 1 (grey)`);
  }
  if (channels !== inChannels) {
    throw new TypeError(
      `data.channels is ${channels}, but ${where} has in_channels ${inChannels}: set data.channels=${inChannels}, or leave it out`,
    );
  }
}

function checkBackbone(ddconfig: Backbone, where: string): void {
  const { doubleZ, givePreEnd } = ddconfig;
  if (doubleZ) {
    throw new TypeError(
      `${where}.double_z is true (its default), so the encoder has 2 × z_channels outputs; a codebook needs z_channels: set it to false`,
    );
  }
  if (givePreEnd) {
    throw new TypeError(
      `${where}.give_pre_end is true, so the decoder stops before it outputs images; leave it out`,
    );
  }
}
