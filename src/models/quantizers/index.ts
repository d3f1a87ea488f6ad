/** All quantizers, and their registry. To add one, add its file, and an export and an entry here. */
import type { Schema } from '../../config/schema.js';
import { BSQ } from './bsq.js';
import { EMAVectorQuantizer } from './ema.js';
import { FSQ } from './fsq.js';
import { GumbelQuantizer } from './gumbel.js';
import { numberedBits } from './bitwise.js';
import { LFQ } from './lfq.js';
import { MultiScaleVQ } from './multi-scale.js';
import { GroupedResidualFSQ, GroupedResidualVQ } from './grouped-residual.js';
import { IBQ } from './ibq.js';
import type { Quantizer } from './quantizer.js';
import { ResidualFSQ } from './residual-fsq.js';
import { ResidualLFQ } from './residual-lfq.js';
import { ResidualSimVQ } from './residual-simvq.js';
import { ResidualVQ } from './residual-vq.js';
import { SimVQ } from './simvq.js';
import { VectorQuantize } from './vector-quantize.js';
import { VectorQuantizer } from './vector.js';

export * from './bsq.js';
export * from './ema.js';
export * from './fsq.js';
export * from './gumbel.js';
export * from './lfq.js';
export * from './multi-scale.js';
export type { GroupedQuantizer } from './grouped-residual.js';
export { GroupedResidualFSQ, GroupedResidualVQ } from './grouped-residual.js';
export type { GroupedResidualFSQConfig, GroupedResidualVQConfig } from './grouped-residual.js';
export * from './ibq.js';
export * from './residual-fsq.js';
export * from './residual-lfq.js';
export * from './residual-simvq.js';
export * from './residual-vq.js';
export * from './simvq.js';
export * from './vector-quantize.js';
export * from './vector.js';

/** A quantizer's class, and the names and keys by which it is recognised in configurations and weights. */
export interface QuantizerEntry {
  readonly Class: (new (config: never) => Quantizer) & { readonly schema: Schema };
  /** Name that `inspect` prints for a first stage with it: the reference's, or else the class's. */
  readonly stage: string;
  /** Key of the codes [..., K, D] in its state dict; left out if the codes are not stored. */
  readonly codes?: string;
  /** Keys that identify it; any one suffices. Later entries do not have these keys. Left out if it has no keys. */
  readonly marks?: readonly string[];
  /** Keys of its tensors with a row for each code, which `trim` shortens; left out if codes cannot be left out. */
  readonly rows?: readonly string[];
  /** Keys of its tensors that hold indices of codes, which `trim` renumbers; left out if there are none. */
  readonly numbers?: readonly string[];
  /** Returns the number of codes from its `params` in a configuration. Default: `n_embed`. */
  readonly codesIn?: (params: Readonly<Record<string, unknown>>) => number;
}

type Params = Readonly<Record<string, unknown>>;
const codesOfLevels = ({ levels }: Params): number =>
  (levels as number[]).reduce((product, one) => product * one, 1);
const codesOfSizes = ({ codebook_size: size }: Params): number => Math.max(...([size].flat() as number[]));

/** Quantizers by their name under `tessera.quantizers` in configurations. */
export const quantizers: Readonly<Record<string, QuantizerEntry>> = {
  Gumbel: {
    Class: GumbelQuantizer,
    stage: 'GumbelVQ',
    codes: 'embed.weight',
    marks: ['embed.weight'],
    rows: ['embed.weight', 'proj.weight', 'proj.bias'],
  },
  EMA: {
    Class: EMAVectorQuantizer,
    stage: 'EMAVQ',
    codes: 'embedding.weight',
    marks: ['embedding.embed_avg', 'embed_avg'],
    rows: ['embedding.weight', 'embedding.cluster_size', 'embedding.embed_avg'],
  },
  MultiScaleVQ: {
    Class: MultiScaleVQ,
    stage: 'MultiScaleVQ',
    codes: 'embedding.weight',
    marks: ['ema_vocab_hit_SV'],
    codesIn: ({ vocab_size }) => vocab_size as number,
  },
  SimVQ: {
    Class: SimVQ,
    stage: 'SimVQ',
    codes: 'frozen_codebook',
    marks: ['frozen_codebook', 'embedding_proj.weight'],
    codesIn: (params) => Number(params['codebook_size'] ?? params['n_embed']),
  },
  Vector: {
    Class: VectorQuantizer,
    stage: 'VQModel',
    codes: 'embedding.weight',
    marks: ['embedding.weight'],
    rows: ['embedding.weight'],
    numbers: ['codebook_used'],
  },
  BSQ: {
    Class: BSQ,
    stage: 'BSQ',
    codesIn: ({ embed_dim, bitwise }) => codesOfBits(embed_dim as number, bitwise),
  },
  LFQ: {
    Class: LFQ,
    stage: 'LFQ',
    codesIn: ({ codebook_size: size, dim, bitwise }) =>
      codesOfBits(typeof size === 'number' ? Math.log2(size) : (dim as number), bitwise),
  },
  VectorQuantize: {
    Class: VectorQuantize,
    stage: 'VectorQuantize',
    codes: '_codebook.embed',
    marks: ['_codebook.embed'],
  },
  IBQ: { Class: IBQ, stage: 'IBQ', codes: 'embedding.weight', rows: ['embedding.weight'] },
  FSQ: {
    Class: FSQ,
    stage: 'FSQ',
    codesIn: codesOfLevels,
  },
  ResidualVQ: { Class: ResidualVQ, stage: 'ResidualVQ', codesIn: codesOfSizes },
  GroupedResidualVQ: { Class: GroupedResidualVQ, stage: 'GroupedResidualVQ', codesIn: codesOfSizes },
  ResidualSimVQ: { Class: ResidualSimVQ, stage: 'ResidualSimVQ', codesIn: codesOfSizes },
  ResidualLFQ: { Class: ResidualLFQ, stage: 'ResidualLFQ', codesIn: codesOfSizes },
  ResidualFSQ: { Class: ResidualFSQ, stage: 'ResidualFSQ', codesIn: codesOfLevels },
  GroupedResidualFSQ: { Class: GroupedResidualFSQ, stage: 'GroupedResidualFSQ', codesIn: codesOfLevels },
};

/** Returns the number of distinct indices of codes of so many bits. */
function codesOfBits(codeBits: number, bitwise: unknown): number {
  return numberedBits({ codeBits, numCodebooks: 1, bitwise: (bitwise as boolean | null) ?? undefined }, '')
    .nEmbed;
}
