/** Second stages whose vocabulary holds more than codes, and whose logits are highest where no code is. */
import { Labelator } from '../../src/models/conditions/class.js';
import { Net2NetTransformer } from '../../src/models/two-stage.js';
import type { Permuter } from '../../src/models/orders/permuter.js';
import { GPT } from '../../src/models/priors/gpt.js';
import { EMAVQ, GumbelVQ, VQModel } from '../../src/models/autoencoder/vqgan.js';
import * as torch from '../../src/torch/index.js';

/** Settings of encoders and decoders with two pixels a code. */
export const ddconfig = {
  ch: 32,
  chMult: [1, 1],
  numResBlocks: 0,
  attnResolutions: [],
  resolution: 8,
  inChannels: 3,
  outCh: 3,
  zChannels: 8,
  doubleZ: false,
};
const sizes = { ddconfig, nEmbed: 8, embedDim: 8 };

/** First stages by name, with the number of indices that each gives out. */
export const firstStages = {
  VQModel: { make: () => new VQModel(sizes), codes: 8 },
  EMAVQ: { make: () => new EMAVQ(sizes), codes: 8 },
  GumbelVQ: { make: () => new GumbelVQ(sizes), codes: 8 },
  'VQModel with a remapped codebook': { make: () => new VQModel({ ...sizes, remap: [1, 5, 6] }), codes: 3 },
  'VQModel with a remapped codebook and a token for the rest': {
    make: () => new VQModel({ ...sizes, remap: [1, 5, 6], unknownIndex: 'extra' }),
    codes: 4,
  },
  'GumbelVQ with a remapped codebook': { make: () => new GumbelVQ({ ...sizes, remap: [0, 7] }), codes: 2 },
};

export interface NetOptions {
  pkeep?: number;
  nUnmasked?: number;
  permuterConfig?: Permuter;
}

/** Twelve classes over fewer codes: the last ids, which are classes alone, are by far the likeliest. */
export function classNet(
  first: keyof typeof firstStages,
  { pkeep = 1, nUnmasked = 0, ...more }: NetOptions = {},
): Net2NetTransformer {
  torch.manualSeed(3);
  const gpt = new GPT({ vocabSize: 12, blockSize: 16, nLayer: 1, nHead: 2, nEmbd: 8, nUnmasked });
  const { make, codes } = firstStages[first];
  torch.noGrad(() => {
    gpt.lnF.bias!.fill_(1);
    gpt.head.weight.narrow(0, codes, 12 - codes).fill_(5);
  });
  return new Net2NetTransformer({
    transformerConfig: gpt,
    firstStageConfig: make(),
    condStageConfig: new Labelator({ nClasses: 12 }),
    condStageKey: 'class_label',
    pkeep,
    ...more,
  }).eval();
}
