/** Settings of the second stage, under the reference's names or this package's. */
import type { Tensor } from '../torch/index.js';
import * as nn from '../torch/nn/index.js';
import { readConfig } from '../config/read.js';
import { flag, integer, kind, model, natural, optional, text } from '../config/schema.js';
import type { Given, Settings } from '../config/schema.js';
import { checkpointSchema } from './registry/checkpoint-schema.js';
import type { Stage } from './conditions/condition.js';
import { Permuter } from './orders/permuter.js';
import type { GPT } from './priors/gpt.js';
import type { Prior } from './priors/prior.js';

/** A first stage as used by a second stage: it also decodes grids of codes into images. */
export interface ImageStage extends Stage {
  /** Number of indices that `decodeIndices` accepts, from 0 on; if undefined, the transformer's vocabulary size. */
  readonly nCodes?: number;
  decodeIndices(indices: Tensor): Tensor;
}

const has = (value: unknown, ...members: string[]): boolean =>
  value instanceof nn.Module && members.every((name) => name in value);

// Listed in the order in which the reference builds the parts, so that a seed gives the same weights.
export const twoStageSchema = {
  /** Trained VQGAN whose codes are modelled. It is frozen: always in evaluation mode, without gradients. */
  firstStageConfig: model<ImageStage>('a first stage, such as taming.models.vqgan.VQModel', (value) =>
    has(value, 'encode', 'decodeIndices'),
  ),
  /**
   * Model that encodes the condition, also frozen. `'__is_first_stage__'` shares the first stage;
   * `'__is_unconditional__'` (the default if `unconditional`) uses only a start token.
   */
  condStageConfig: optional(
    model<Stage | '__is_first_stage__' | '__is_unconditional__'>(
      '"__is_first_stage__", "__is_unconditional__" or a model that encodes a condition, such as a VQModel or a Labelator',
      (value) => value === '__is_first_stage__' || value === '__is_unconditional__' || has(value, 'encode'),
    ),
  ),
  /** Reading order of the codes. Default: row by row. */
  permuterConfig: optional(
    model<Permuter>(
      'a permuter, such as taming.modules.transformer.permuter.Identity',
      (value) => value instanceof Permuter,
    ),
  ),
  transformerConfig: model<Prior>('a prior, such as a GPT', (value) =>
    has(value, 'vocabSize', 'blockSize', 'nUnmasked', 'nCodes'),
  ),
  /** Batch entry with the images. Default `image`. */
  firstStageKey: text('image'),
  /** Batch entry with the condition. Default `depth`, or the first stage's key if unconditional. */
  condStageKey: text('depth'),
  /** Side in pixels to which the condition is resized (nearest) before encoding. Default −1: it is not resized. */
  downsampleCondSize: integer(-1),
  /** Probability of keeping each image token in training; others are replaced by random tokens. Default 1. */
  pkeep: kind<number>(
    'a number of at most 1',
    (value) => typeof value === 'number' && value <= 1,
    'number',
  )(1),
  /** Start token of unconditional sequences. Default 0. */
  sosToken: integer(0),
  /**
   * Token id that stands for each token of a dropped condition, for classifier-free guidance. Not a setting of the
   * reference; by default conditions are never dropped.
   */
  nullToken: optional(natural()),
  /** If true, the model is unconditional. Default false. */
  unconditional: flag(false),
  ...checkpointSchema,
};

/** Settings under the reference's names in camelCase, with models instead of configurations. */
export type Net2NetParts<P extends Prior = GPT> = Omit<Given<typeof twoStageSchema>, 'transformerConfig'> & {
  transformerConfig: P;
};

/** Names of the parts in this package, mapped to the reference's names used in its configuration files. */
const referenceNames = {
  firstStage: 'firstStageConfig',
  condition: 'condStageConfig',
  order: 'permuterConfig',
  prior: 'transformerConfig',
} as const;

/**
 * The models it consists of, given as `prior`, `firstStage`, `condition` and `order` or under the reference's names, plus
 * the reference's other parameters in camelCase.
 */
export type Net2NetTransformerConfig<P extends Prior = GPT> = Omit<
  Net2NetParts,
  'firstStageConfig' | 'transformerConfig'
> & {
  condition?: Net2NetParts['condStageConfig'];
  order?: Net2NetParts['permuterConfig'];
} & (Pick<Net2NetParts, 'firstStageConfig'> | { firstStage: ImageStage }) &
  (Pick<Net2NetParts<P>, 'transformerConfig'> | { prior: P });

/** Reads a configuration that uses either set of names for its parts. */
export function readParts<P extends Prior>(config: Net2NetTransformerConfig<P>): TwoStageSettings<P> {
  const owner = 'Net2NetTransformer';
  const given: Record<string, unknown> = { ...config };
  for (const [own, reference] of Object.entries(referenceNames)) {
    const part = given[own] ?? null;
    if (part === null) continue;
    if ((given[reference] ?? null) !== null) {
      throw new TypeError(`${owner}: ${own} and ${reference} name the same part; pass only one of them`);
    }
    given[reference] = part;
  }
  return readConfig(twoStageSchema, given as Given<typeof twoStageSchema>, owner) as TwoStageSettings<P>;
}

/** Settings of a second stage, with its parts built. */
export type TwoStageSettings<P extends Prior = GPT> = Omit<
  Settings<typeof twoStageSchema>,
  'transformerConfig'
> & { transformerConfig: P };
