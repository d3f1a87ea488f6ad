/** Mistakes in the options of exported classes. */
import type { Api } from './checkout.js';
import { tinyBackbone } from './states.js';

export interface Mistake {
  name: string;
  make: (api: Api) => unknown;
}

type Constructor = new (options?: unknown) => unknown;

/** An exported class with one set of options; options that need other models are made by a function. */
const wrong: readonly [Class: string, what: string, options: unknown][] = [
  ['GPT', 'no vocabulary', { blockSize: 4 }],
  ['GPT', 'a vocabulary of 0', { vocabSize: 0, blockSize: 4 }],
  ['GPT', 'a block as text', { vocabSize: 4, blockSize: '4' }],
  ['GPT', 'half a layer', { vocabSize: 4, blockSize: 4, nLayer: 0.5 }],
  ['GPT', 'heads that do not divide the width', { vocabSize: 4, blockSize: 4, nHead: 3, nEmbd: 8 }],
  ['GPT', 'a dropout of 1', { vocabSize: 4, blockSize: 4, residPdrop: 1 }],
  ['GPT', 'a negative dropout', { vocabSize: 4, blockSize: 4, embdPdrop: -0.1 }],
  ['GPT', 'an unmasked prefix longer than the block', { vocabSize: 4, blockSize: 4, nUnmasked: 5 }],
  ['VectorQuantizer', 'no legacy', { nEmbed: 4, embedDim: 2 }],
  [
    'VectorQuantizer',
    'a used code beyond the codebook',
    { nEmbed: 4, embedDim: 2, legacy: true, remap: [1, 4] },
  ],
  [
    'VectorQuantizer',
    'used codes that are no integers',
    { nEmbed: 4, embedDim: 2, legacy: true, remap: [0.5] },
  ],
  ['VectorQuantizer', 'no used code', { nEmbed: 4, embedDim: 2, legacy: true, remap: [] }],
  [
    'VectorQuantizer',
    'an unknown token outside the used ones',
    { nEmbed: 4, embedDim: 2, legacy: true, remap: [1, 2], unknownIndex: 2 },
  ],
  [
    'GumbelQuantizer',
    'an unknown token by a name',
    { nEmbed: 4, embedDim: 2, numHiddens: 2, remap: [1, 2], unknownIndex: 'first' },
  ],
  [
    'EMAVectorQuantizer',
    'a used code beyond the codebook',
    { nEmbed: 4, embedDim: 2, beta: 0.25, remap: [-1] },
  ],
  ['GumbelVQ', 'another width than its latents', { ddconfig: tinyBackbone, nEmbed: 4, embedDim: 4 }],
  ['VQModel', 'no levels', { ddconfig: { ...tinyBackbone, chMult: [] }, nEmbed: 4, embedDim: 4 }],
  ['Encoder', 'no levels', { ...tinyBackbone, chMult: [] }],
  ['Encoder', 'a width that its norms cannot divide', { ...tinyBackbone, ch: 20 }],
  ['Decoder', 'no levels', { ...tinyBackbone, chMult: [] }],
  ['Labelator', 'no classes', { nClasses: 0 }],
  ['Labelator', 'classes by name', { nClasses: 'two' }],
  ['SOSProvider', 'a negative start', { sosToken: -1 }],
  ['CoordStage', 'half a pixel', { nEmbed: 4, downFactor: 0.5 }],
  ['CoordStage', 'no codes', { downFactor: 2 }],
  ['SubsamplePermuter', 'a grid whose side is not a power of two', { H: 3, W: 3 }],
  ['SubsamplePermuter', 'no rows', { W: 4 }],
  ['SpiralOutPermuter', 'an odd side', { H: 3, W: 3 }],
  ['SpiralInPermuter', 'a grid that is not square', { H: 2, W: 4 }],
  ['ZCurvePermuter', 'half a row', { H: 2.5, W: 4 }],
  ['RandomPermuter', 'no columns', { H: 4, W: 0 }],
  ['AlternateParsingPermuter', 'sides as text', { H: '4', W: '4' }],
  ['Net2NetTransformer', 'nothing', {}],
];

const gpt = (api: Api) => new api.GPT({ vocabSize: 8, blockSize: 8, nLayer: 1, nHead: 1, nEmbd: 4 });

/** A first stage of 8 codes that only has to be there. */
function codes(api: Api) {
  return new api.VQModel({
    ddconfig: { ...tinyBackbone, numResBlocks: 0, attnResolutions: [] },
    nEmbed: 8,
    embedDim: 4,
  });
}

const nets: readonly Mistake[] = [
  {
    name: 'Net2NetTransformer: no first stage',
    make: (api) => new api.Net2NetTransformer({ transformerConfig: gpt(api) } as never),
  },
  {
    name: 'Net2NetTransformer: no condition',
    make: (api) => new api.Net2NetTransformer({ transformerConfig: gpt(api), firstStageConfig: codes(api) }),
  },
  {
    name: 'Net2NetTransformer: pkeep above 1',
    make: (api) =>
      new api.Net2NetTransformer({
        transformerConfig: gpt(api),
        firstStageConfig: codes(api),
        unconditional: true,
        pkeep: 1.5,
      }),
  },
  {
    name: 'TokenSampler: more room than the block',
    make: (api) => new api.TokenSampler(gpt(api), { batch: 1, capacity: 9 }),
  },
  {
    name: 'TokenSampler: an empty bucket',
    make: (api) => new api.TokenSampler(gpt(api), { batch: 1, bucket: 0 }),
  },
  {
    name: 'TokenSampler: a negative temperature',
    make: (api) => new api.TokenSampler(gpt(api), { batch: 1, temperature: -1 }),
  },
];

export const constructorMistakes: readonly Mistake[] = [
  ...wrong.map(([Class, what, options]) => ({
    name: `${Class}: ${what}`,
    make: (api: Api) => new (api[Class as keyof Api] as unknown as Constructor)(options),
  })),
  ...nets,
];
