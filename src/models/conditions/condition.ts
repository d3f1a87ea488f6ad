/** Interface of all conditions, which encode the transformer's conditioning input as tokens. */
import type { Tensor } from '../../torch/index.js';
import type * as nn from '../../torch/nn/index.js';
import type { Encoded } from '../encoded.js';

/** A module whose `encode` returns tokens: a VQModel or a condition. */
export interface Stage extends nn.Module {
  /** Number of the ids that `encode` returns, from 0 on; undefined if it does not know them. */
  readonly nCodes?: number;
  /** Channels of the images that it encodes; undefined if it does not encode images. */
  readonly inChannels?: number;
  /** Pixels per side covered by one token of a map; undefined if its tokens are not a grid. */
  readonly stride?: number;
  encode(x: Tensor): Encoded;
}

/** Input of a condition: a batch of its field, or of each of its fields. */
export type ConditionInput = Tensor | readonly Tensor[];

/** A kind of condition. It defines which field of an example is read and how it is encoded as tokens. */
export interface Condition {
  /** Field of an example that `encode` takes, such as `label` or `segmentation`; null if it does not read any. */
  readonly field: string | null;
  /** Fields of a condition that consists of several, whose `encode` takes a list; undefined for others. */
  readonly fields?: readonly string[];
  /**
   * Channels C of the map `[B, C, H, W]` that is its field; null if the field is not a map, or there is none. Undefined if
   * the field is not one that images have, so that a run cannot train with it.
   */
  readonly channels?: number | null | undefined;
  /** Encodes a batch of that field as indices, one row of tokens per image; as vectors `[B, N, D]` if the condition embeds. */
  encode(x: Tensor): Encoded;
  /**
   * Of a condition that embeds, whose vectors take the places of tokens: projects the vectors that `encode` returned to the
   * transformer's width, `[B, N, D]` → `[B, N, E]`. Its parameters are trained with the transformer. Undefined for tokens.
   */
  embed?(vectors: Tensor): Tensor;
  /** Returns maps of its field as images `[B, 3, H, W]` in [−1, 1], to look at. Undefined if they are not to be shown. */
  shown?(maps: Tensor): Tensor;
  /** Of a condition that embeds: true if vectors of zeros stand for a dropped condition. */
  readonly hasDropped?: boolean;
  /**
   * Checks that the condition accepts every value of `x`. Synchronizes with the device. Undefined if any value is valid.
   * @throws RangeError naming the first invalid value
   */
  check?(x: Tensor): void;
  /** Returns a description of the available choices, such as `3 classes (ash, elm, oak)`. */
  choices(names: readonly string[]): string;
  /**
   * Parses text, such as a command-line argument, into a one-row input of `encode`.
   * @param names names of the values, such as class names; empty if they do not have names
   * @throws RangeError with the expected format
   */
  parse(text: string, names: readonly string[]): Tensor;
}

/** How much of a sequence a condition takes. */
export interface ConditionSizes {
  /** Number of its token ids, from 0 on; 0 if it embeds. */
  ids: number;
  /** Number of its tokens, or vectors, for an image. */
  tokens: number;
}
