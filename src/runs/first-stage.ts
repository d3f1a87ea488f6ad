/** The first stage in the configuration of a model, and the rule by which it chooses codes. */
import { isTree } from '../config/schema.js';
import type { Lookup } from '../models/quantizers/lookups.js';
import type { ModelConfig } from '../models/registry/from-config.js';
import { RunError } from './error.js';

/** Prefix of the first stage's weights in those of a transformer. */
export const INNER = 'first_stage_model.';

/** Returns the first stage of a model: that of a transformer, or the model itself. */
export const firstStageOf = (model: ModelConfig): ModelConfig =>
  (model.params?.['first_stage_config'] as ModelConfig | undefined) ?? model;

/** First stages of the reference with a codebook of vectors, which are looked up by distance. */
const byDistance = /^taming\.models\.vqgan\.VQ(Segmentation)?Model$/;

/**
 * Sets the lookup rule of a model's first stage.
 *
 * @param lookup rule to set; if undefined, that of the configuration stays
 * @returns the model section, and a message that asks for the rule if only another project's layout could settle it
 * @throws RunError for a rule where codes are not looked up
 */
export function withLookup(
  model: ModelConfig,
  lookup: Lookup | undefined,
  name: string,
): { section: ModelConfig; asks: string | null } {
  const first = firstStageOf(model);
  const owner = byDistance.test(first.target) ? first : vectorIn(first);
  if (owner === null) {
    if (lookup === undefined) return { section: model, asks: null };
    throw new RunError(`--lookup ${lookup}: the codes of a ${first.target} are not looked up; leave it out`);
  }
  if (lookup === undefined) {
    const open = owner !== first && (owner.params?.['lookup'] ?? null) === null;
    return { section: model, asks: open ? question(name) : null };
  }
  return { section: replaced(model, owner, { ...owner, params: { ...owner.params, lookup } }), asks: null };
}

/** Returns the quantizer of a first stage if it is a codebook of vectors. */
function vectorIn({ params }: ModelConfig): ModelConfig | null {
  const quantizer = params?.['quantizer'] as ModelConfig | undefined;
  return quantizer?.target === 'tessera.quantizers.Vector' ? quantizer : null;
}

const question = (name: string): string =>
  'its keys do not say how codes are chosen: by distance (VQGAN), by dot product (IBQ, Emu3.5) or by cosine (ViT-VQGAN); ' +
  `give --lookup nearest, dot or cosine, or set the quantizer's lookup in ${name}`;

/** Returns a copy of a tree with one of its nodes replaced. */
function replaced<T>(tree: T, node: object, by: object): T {
  if ((tree as unknown) === node) return by as T;
  if (!isTree(tree)) return tree;
  return Object.fromEntries(
    Object.entries(tree).map(([key, value]) => [key, replaced(value, node, by)]),
  ) as T;
}
