/** All discriminators, and their registry. To add one, add its file, and an export and a line here. */
import type { Schema } from '../../config/schema.js';
import type { Discriminator } from './discriminator.js';
import { MaskBitDiscriminator } from './maskbit.js';
import { NLayerDiscriminator } from './n-layer.js';
import { StyleGANDiscriminator } from './stylegan.js';
import { StyleGAN2Discriminator } from './stylegan2.js';

export type * from './discriminator.js';
export * from './maskbit.js';
export * from './n-layer.js';
export * from './stylegan.js';
export * from './stylegan2.js';

/** A discriminator's class. */
export interface DiscriminatorEntry {
  readonly Class: (new (config: never) => Discriminator) & { readonly schema: Schema };
}

/** Discriminators by their name under `tessera.discriminators` in configurations. */
export const discriminators: Readonly<Record<string, DiscriminatorEntry>> = {
  NLayer: { Class: NLayerDiscriminator },
  StyleGAN: { Class: StyleGANDiscriminator },
  StyleGAN2: { Class: StyleGAN2Discriminator },
  MaskBit: { Class: MaskBitDiscriminator },
};
