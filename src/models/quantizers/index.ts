/** Every quantizer. A new one is its file and a line here. */
import type { Schema } from '../../config/schema.js';
import { EMAVectorQuantizer } from './ema.js';
import { GumbelQuantizer } from './gumbel.js';
import type { Quantizer } from './quantizer.js';
import { VectorQuantizer } from './vector.js';

/** A quantizer's class, and how its weights are recognised. */
export interface QuantizerEntry {
  readonly Class: (new (config: never) => Quantizer) & { readonly schema: Schema };
  /** The reference's first stage that has it. */
  readonly stage: string;
  /** Key of its codes [K, D] in its state dict. */
  readonly codes: string;
  /** A key that no other has, nor any of those after it; any of these. */
  readonly marks: readonly string[];
}

/** By the names that configurations give them below `tessera.quantizers`. */
export const quantizers: Readonly<Record<string, QuantizerEntry>> = {
  Gumbel: { Class: GumbelQuantizer, stage: 'GumbelVQ', codes: 'embed.weight', marks: ['embed.weight'] },
  EMA: {
    Class: EMAVectorQuantizer,
    stage: 'EMAVQ',
    codes: 'embedding.weight',
    marks: ['embedding.embed_avg', 'embed_avg'],
  },
  Vector: {
    Class: VectorQuantizer,
    stage: 'VQModel',
    codes: 'embedding.weight',
    marks: ['embedding.weight'],
  },
};
