/** Base class of quantizers whose codes are signs of channels, so that an index is a number of that many bits. */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import { meanOverProcesses, meanProbabilities } from './bit-entropy.js';
import { bitsOfIndex, indexOfBits } from './bits.js';
import { Quantizer, type QuantizerConfig } from './quantizer.js';

/** How positions are numbered. */
export interface BitForm {
  /** Bits of a code, d. */
  codeBits: number;
  /** Number of codes at each position, Q. */
  numCodebooks: number;
  /** If true, indices are the bits themselves. Default: from 2^31 codes on. */
  bitwise?: boolean | undefined;
}

/** Most bits of an index: that of fewer than 2^31 codes. */
const MOST_BITS = 30;

/** A form with its default filled in, and the number of distinct indices: 2 if they are bits. */
export type NumberedBits = BitForm & { readonly bitwise: boolean; readonly nEmbed: number };

/** Fills in the form of indices; `owner` names the class in errors. */
export function numberedBits(form: BitForm, owner: string): NumberedBits {
  const { codeBits, numCodebooks, bitwise = codeBits > MOST_BITS } = form;
  if (!bitwise && codeBits > MOST_BITS) {
    throw new RangeError(
      `${owner}: 2^${codeBits} codes have no indices below 2^31: leave bitwise out, so that indices are bits`,
    );
  }
  return { codeBits, numCodebooks, bitwise, nEmbed: bitwise ? 2 : 2 ** codeBits };
}

/**
 * A quantizer whose codes are signs of channels. Indices are int64 [B, h, w], with an axis of codebooks after them if
 * there are several; from 2^31 codes on, or if asked for, they are the bits themselves, 0 or 1: [B, h, w, Q·d].
 *
 * @example
 * ```ts
 * const quantizer: BitwiseQuantizer = new LFQ({ codebookSize: 2 ** 36 });
 * const { indices } = quantizer.forward(torch.randn([1, 36, 2, 2])); // [1, 2, 2, 36]
 * ```
 */
export abstract class BitwiseQuantizer<C extends QuantizerConfig = QuantizerConfig> extends Quantizer<C> {
  protected static override readonly scoped: readonly string[] = ['codes'];
  readonly #form: NumberedBits;
  #synced = false;

  constructor(config: Omit<C, 'nEmbed' | 'unknownIndex'>, form: NumberedBits) {
    super({ ...config, nEmbed: form.nEmbed, unknownIndex: 'random' } as C);
    this.#form = form;
  }

  /** Takes the mean probabilities of codes over the latents of all processes, in training. */
  synchronize(): void {
    this.#synced = true;
  }

  /** Returns the mean probabilities of all codes from log-odds of bits [N, d], [2^d]: see `synchronize`. */
  protected meanProbabilities(logits: Tensor): Tensor {
    const own = meanProbabilities(logits);
    return this.#synced && this.training ? meanOverProcesses(own) : own;
  }

  /** What each bit counts in an index, int64 [d]. */
  protected abstract get weights(): Tensor;

  /** Returns the codes of bits, int64 [B, h, w, Q·d] of 0 and 1, as [B, D, h, w]. */
  abstract codesOfBits(bits: Tensor): Tensor;

  /** Bits of a code, d; there are 2^d codes. */
  get codeBits(): number {
    return this.#form.codeBits;
  }

  override get indexDims(): number {
    const { bitwise, numCodebooks } = this.#form;
    return bitwise || numCodebooks > 1 ? 4 : 3;
  }

  /** Returns the bits of indices of images as `forward` returns them: int64 [B, h, w, Q·d] of 0 and 1. */
  bits(indices: Tensor): Tensor {
    this.#checkForm(indices);
    if (this.#form.bitwise) return indices;
    const each = this.#form.numCodebooks > 1 ? indices : indices.unsqueeze(-1); // [B, h, w, Q]
    return bitsOfIndex(each, this.weights).flatten(-2);
  }

  /** Returns the indices of bits [B, h, w, Q·d], true or 1 if set, as `forward` returns them. */
  indicesOfBits(bits: Tensor): Tensor {
    const { bitwise, numCodebooks, codeBits } = this.#form;
    if (bitwise) return bits.long();
    const indices = indexOfBits(bits.unflatten(-1, [numCodebooks, codeBits]), this.weights); // [B, h, w, Q]
    return numCodebooks > 1 ? indices : indices.squeeze(-1);
  }

  /** Returns the codes of `indices` of images, in the form that `forward` returns, as [B, D, h, w]. */
  override codes(indices: Tensor): Tensor {
    return this.codesOfBits(this.bits(indices));
  }

  #checkForm(indices: Tensor): void {
    this.checkIndices(indices);
    const { bitwise, numCodebooks, codeBits } = this.#form;
    const last = bitwise ? numCodebooks * codeBits : numCodebooks;
    if (indices.ndim === this.indexDims && (this.indexDims === 3 || indices.shape[3] === last)) return;
    const form = this.indexDims === 3 ? '[B, h, w]' : `[B, h, w, ${last}]`;
    throw new torch.ShapeError(
      `${this.constructor.name} has codes of indices ${form}, not of [${indices.shape.join(', ')}]`,
    );
  }
}
