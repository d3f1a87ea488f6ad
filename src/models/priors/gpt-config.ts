import { readConfig } from '../../config/read.js';
import { count, natural, probability, type Given, type Settings } from '../../config/schema.js';

/** Schema of a GPT's configuration. */
export const gptSchema = {
  /** Number of token ids, including conditioning tokens. */
  vocabSize: count(),
  /** Maximum sequence length, including conditioning and prepended embeddings. */
  blockSize: count(),
  /** Number of layers. Default 12. */
  nLayer: count(12),
  /** Number of attention heads. Default 8. Must divide `nEmbd`. */
  nHead: count(8),
  /** Width of the model. Default 256. */
  nEmbd: count(256),
  /** Dropout after the embeddings. Default 0. */
  embdPdrop: probability(0),
  /** Dropout at the end of each residual branch. Default 0. */
  residPdrop: probability(0),
  /** Dropout of the attention weights. Default 0. */
  attnPdrop: probability(0),
  /** The first `nUnmasked` positions attend to each other in both directions (a prefix language model). Default 0. */
  nUnmasked: natural(0),
};

export type GPTConfig = Given<typeof gptSchema>;

export type ResolvedConfig = Settings<typeof gptSchema>;

const sceneSizes = { vocabSize: 8192, blockSize: 348 } as const;
const sceneDropout = { embdPdrop: 0.1, residPdrop: 0.1, attnPdrop: 0.1 } as const;

/** Sizes of the published transformers; spread one into a config: `new GPT({ ...gptPresets.faceshq })`. */
export const gptPresets = {
  /** 305 M parameters: FacesHQ, D-RIN, S-FLCKR. */
  faceshq: { vocabSize: 1024, blockSize: 512, nLayer: 24, nHead: 16, nEmbd: 1024 },
  /** 1.41 B parameters: class-conditional ImageNet. */
  cin: { vocabSize: 16384, blockSize: 256, nLayer: 48, nHead: 24, nEmbd: 1536 },
  /** 976 M parameters: COCO scene layouts. */
  cocoScenes: { ...sceneSizes, nLayer: 40, nHead: 16, nEmbd: 1408, ...sceneDropout },
  /** 1.05 B parameters: Open Images scene layouts. */
  openImagesScenes: { ...sceneSizes, nLayer: 36, nHead: 16, nEmbd: 1536, ...sceneDropout },
} as const satisfies Record<string, GPTConfig>;

/** Checks a configuration and fills in its defaults. */
export function readGpt(config: GPTConfig): ResolvedConfig {
  const settings = readConfig(gptSchema, config, 'GPT');
  const { nEmbd, nHead, nUnmasked, blockSize } = settings;
  if (nEmbd % nHead !== 0) {
    throw new RangeError(`GPT: nEmbd (${nEmbd}) must be a multiple of nHead (${nHead}).`);
  }
  if (nUnmasked > blockSize) {
    throw new RangeError(
      `GPT: nUnmasked must be an integer from 0 to blockSize (${blockSize}), got ${nUnmasked}.`,
    );
  }
  return settings;
}

/** Returns a line on the GPT that weights of these shapes belong to; null if it is not one. */
export function describeGpt(shapes: ReadonlyMap<string, readonly number[]>): string | null {
  const embedding = shapes.get('tok_emb.weight');
  const positions = shapes.get('pos_emb');
  if (embedding === undefined || positions === undefined) return null;
  const layers = new Set([...shapes.keys()].flatMap((key) => /^blocks\.(\d+)\./.exec(key)?.[1] ?? [])).size;
  return `GPT, ${layers} layers of width ${embedding[1]}, ${embedding[0]} tokens, ${positions[1]} positions`;
}
