import type { BackboneConfig } from 'tessera-torch';

/** Two halvings and 6 million weights: small enough to time on two cores, large enough that convolutions decide. */
export const modestBackbone: BackboneConfig = {
  doubleZ: false,
  zChannels: 64,
  resolution: 64,
  inChannels: 3,
  outCh: 3,
  ch: 64,
  chMult: [1, 1, 2],
  numResBlocks: 1,
  attnResolutions: [16],
};

export const modestBatch = [2, 3, 64, 64];
