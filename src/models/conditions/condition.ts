/** What the transformer is conditioned on, turned into tokens: the interface of all conditions. */
import type { Tensor } from '../../torch/index.js';
import type * as nn from '../../torch/nn/index.js';
import type { Encoded } from '../encoded.js';

/** A module whose `encode` gives tokens: a VQModel, or a condition. */
export interface Stage extends nn.Module {
  encode(x: Tensor): Encoded;
}

/** A kind of condition: which part of an example it reads, and how that becomes tokens. */
export interface Condition {
  /** The field of an example that `encode` takes, such as `label` or `segmentation`; null if it reads none. */
  readonly field: string | null;
  /** A batch of that field → indices, one row of tokens for each image. */
  encode(x: Tensor): Encoded;
  /**
   * Waits for the device and throws unless the condition takes every value of `x`; absent if any value will do.
   * @throws RangeError naming the first that it does not take
   */
  check?(x: Tensor): void;
  /** What there is to choose from, in words, such as `3 classes (ash, elm, oak)`. */
  choices(names: readonly string[]): string;
  /**
   * What `encode` takes, of one row, from text such as a command line has.
   * @param names of the values, such as the names of the classes; empty if they have none
   * @throws RangeError saying what to write instead
   */
  parse(text: string, names: readonly string[]): Tensor;
}
