/** Residual quantizers of a part of the channels each (arXiv 2305.02765, section 3.2). */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as nn from '../../torch/nn/index.js';
import { readConfig } from '../../config/read.js';
import { count, type Given, type Settings } from '../../config/schema.js';
import type { Quantized } from '../encoded.js';
import { Quantizer, type QuantizerConfig } from './quantizer.js';
import type { ResidualQuantizer } from './residual.js';
import { ResidualFSQ } from './residual-fsq.js';
import { ResidualVQ } from './residual-vq.js';

const own = {
  /** Width of the latents, D. */
  dim: count(),
  /** Number of parts of the channels, G. Default 1. */
  groups: count(1),
};
const vqSchema = { ...ResidualVQ.schema, ...own };
const fsqSchema = { ...ResidualFSQ.schema, ...own };

export type GroupedResidualVQConfig = Given<typeof vqSchema>;
export type GroupedResidualFSQConfig = Given<typeof fsqSchema>;

/** Base class of grouped quantizers. Indices are [G, B, h, w, Q]. */
export abstract class GroupedQuantizer<C extends QuantizerConfig = QuantizerConfig> extends Quantizer<C> {
  protected static override readonly scoped: readonly string[] = ['codes'];
  /** The quantizers of the parts of the channels. */
  readonly rvqs: nn.ModuleList<ResidualQuantizer>;

  constructor(config: C, parts: readonly ResidualQuantizer[]) {
    super(config);
    this.rvqs = new nn.ModuleList([...parts]);
  }

  /** Quantizes z [B, D, h, w]; `losses` are those of all layers [G, Q]. All parts leave out the same layers. */
  override forward(z: Tensor): Quantized {
    this.checkLatent(z);
    const last = this.rvqs.get(0).lastActive();
    const parts = this.#parts(z).map((part, i) => this.rvqs.get(i).forward(part, { last }));
    const each = parts.map(({ losses }) => losses as Tensor);
    return {
      quantized: torch.cat(
        parts.map(({ quantized }) => quantized),
        1,
      ),
      loss: parts.map(({ loss }) => loss).reduce((sum, one) => sum.add(one)),
      indices: torch.stack(parts.map(({ indices }) => indices)),
      losses: each[0]!.ndim === 0 ? each[0]! : torch.stack(each),
    };
  }

  override indices(z: Tensor): Tensor {
    this.checkLatent(z);
    return torch.stack(this.#parts(z).map((part, i) => this.rvqs.get(i).indices(part)));
  }

  override get indexDims(): number {
    return 5;
  }

  /** The codes of the first layer of the first part. */
  override get codebook(): Tensor {
    return this.rvqs.get(0).codebook;
  }

  /** Returns the codes of `indices`, int64 [G, B, h, w, q], as [B, D, h, w]. */
  override codes(indices: Tensor): Tensor {
    this.checkIndices(indices);
    const groups = this.rvqs.length;
    if (indices.ndim !== 5 || indices.shape[0] !== groups) {
      throw new torch.ShapeError(
        `the codes of indices [${groups}, B, h, w, q] can be had, not of [${indices.shape.join(', ')}]`,
      );
    }
    return torch.cat(
      indices.unbind(0).map((part, i) => this.rvqs.get(i).codes(part)),
      1,
    );
  }

  override trained(): nn.Parameter[] {
    return [...this.rvqs].flatMap((one) => one.trained());
  }

  override still(fn: () => void, gather = true): () => void {
    const moves: (() => void)[] = [];
    const nested = [...this.rvqs].reduce((inner, one) => () => void moves.push(one.still(inner, gather)), fn);
    nested();
    return () => moves.forEach((move) => move());
  }

  #parts(z: Tensor): Tensor[] {
    return z.chunk(this.rvqs.length, 1);
  }
}

/**
 * Splits channels into groups, each with a `ResidualVQ` of its own.
 *
 * @example
 * ```ts
 * const quantizer = new GroupedResidualVQ({ dim: 256, groups: 2, numQuantizers: 4, codebookSize: 1024 });
 * const { indices } = quantizer.forward(torch.randn([1, 256, 16, 16])); // indices [2, 1, 16, 16, 4]
 * ```
 */
export class GroupedResidualVQ extends GroupedQuantizer<Settings<typeof vqSchema> & QuantizerConfig> {
  /** Schema of the accepted configuration. */
  static readonly schema: typeof vqSchema = vqSchema;

  constructor(config: GroupedResidualVQConfig) {
    const settings = readConfig(vqSchema, config, 'GroupedResidualVQ');
    const parts = partsOf(settings, (dim) => new ResidualVQ({ ...settings, dim }));
    super({ ...settings, ...sizesOf(settings, parts) }, parts);
  }
}

/**
 * Splits channels into groups, each with a `ResidualFSQ` of its own.
 *
 * @example
 * ```ts
 * const quantizer = new GroupedResidualFSQ({ dim: 8, groups: 2, levels: [8, 5, 5, 3], numQuantizers: 2 });
 * const { indices } = quantizer.forward(torch.randn([1, 8, 16, 16])); // indices [2, 1, 16, 16, 2]
 * ```
 */
export class GroupedResidualFSQ extends GroupedQuantizer<Settings<typeof fsqSchema> & QuantizerConfig> {
  /** Schema of the accepted configuration. */
  static readonly schema: typeof fsqSchema = fsqSchema;

  constructor(config: GroupedResidualFSQConfig) {
    const settings = readConfig(fsqSchema, config, 'GroupedResidualFSQ');
    const parts = partsOf(settings, (dim) => new ResidualFSQ({ ...settings, dim }));
    super({ ...settings, ...sizesOf(settings, parts) }, parts);
  }
}

/** Makes the quantizer of each group, which has an equal part of the channels. */
function partsOf<R>({ dim, groups }: { dim: number; groups: number }, make: (dim: number) => R): R[] {
  if (dim % groups !== 0) {
    throw new RangeError(
      `a grouped quantizer splits dim into equal groups, but ${dim} is not a multiple of ${groups}: change one of them`,
    );
  }
  return Array.from({ length: groups }, () => make(dim / groups));
}

/** Returns what the base class reads. */
const sizesOf = ({ dim }: { dim: number }, parts: readonly Quantizer[]) =>
  ({ nEmbed: parts[0]!.nEmbed, embedDim: dim, unknownIndex: 'random' }) as const;
