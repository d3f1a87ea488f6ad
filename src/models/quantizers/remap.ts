/**
 * Restricts a codebook to the codes in use, so that a transformer predicts among `used.length` tokens (or one
 * more) instead of all codes.
 */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import { kind, optional } from '../../config/schema.js';

/** Replacement for unused indices: a random used index, an extra token, or a fixed token. */
export type UnknownIndex = 'random' | 'extra' | number;

/** Quantizer settings for remapping. */
export const remapSchema = {
  /** Codes in use; if given, indices count among these. */
  remap: optional(
    kind<readonly number[] | Tensor>(
      'a list of code indices, integers (read the .npy file the reference names here and pass its numbers)',
      (value) => value instanceof torch.Tensor || (Array.isArray(value) && value.every(Number.isSafeInteger)),
    )(),
  ),
  /** Replacement for codes outside `remap`. Default 'random'. */
  unknownIndex: kind<UnknownIndex>(
    '"random", "extra" or a token',
    (value) => value === 'random' || value === 'extra' || typeof value === 'number',
    'string',
  )('random'),
};

/** Validates `remap` and converts it to an int64 vector. */
export function usedIndices(remap: readonly number[] | Tensor, nEmbed: number): Tensor {
  const used =
    remap instanceof torch.Tensor
      ? remap.detach().to('int64').clone()
      : torch.tensor(remap.map(BigInt), { dtype: 'int64' });
  if (used.ndim !== 1 || used.numel() === 0) {
    throw new torch.ShapeError(
      `remap must list at least one used code, in one dimension; got [${used.shape.join(', ')}]`,
    );
  }
  const outside = (used.tolist() as number[]).find((code) => code < 0 || code >= nEmbed);
  if (outside !== undefined) {
    throw new RangeError(`remap names code ${outside}, but the codebook has codes 0 to ${nEmbed - 1}`);
  }
  return used;
}

/** Returns the number of tokens for `used` codes in use, and the token that replaces other codes. */
export function tokensOf(
  used: number,
  unknownIndex: UnknownIndex,
): { count: number; unknown: 'random' | number } {
  if (unknownIndex === 'extra') return { count: used + 1, unknown: used };
  const isToken = Number.isInteger(unknownIndex) && Number(unknownIndex) >= 0 && Number(unknownIndex) < used;
  if (unknownIndex === 'random' || isToken) return { count: used, unknown: unknownIndex };
  throw new RangeError(
    `unknownIndex must be 'random', 'extra' or a token from 0 to ${used - 1}; got ${String(unknownIndex)}`,
  );
}
