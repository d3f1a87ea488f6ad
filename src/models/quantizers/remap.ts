/**
 * Restricts a codebook to the codes in use, so that a transformer predicts among `used.length` tokens (or one
 * more) instead of all codes.
 */
import { existsSync, readFileSync } from 'node:fs';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import { isTree, kind, optional } from '../../config/schema.js';
import { parseNpy } from '../../torch/io/npy.js';

/** Replacement for unused indices: a random used index, an extra token, or a fixed token. */
export type UnknownIndex = 'random' | 'extra' | number;

/** Settings that restrict a quantizer to the used codes of its codebook. */
export const remapSchema = {
  /** Codes in use; if given, indices count among these. A list, a tensor, or the name of a `.npy` file of them. */
  remap: optional(
    kind<readonly number[] | Tensor | string>(
      'a list of integer code indices, or the name of a .npy file of them',
      (value) =>
        value instanceof torch.Tensor ||
        (typeof value === 'string' && value.endsWith('.npy')) ||
        (Array.isArray(value) && value.every(Number.isSafeInteger)),
    )(),
  ),
  /** Replacement for codes outside `remap`. Default 'random'. */
  unknownIndex: kind<UnknownIndex>(
    '"random", "extra" or a token',
    (value) => value === 'random' || value === 'extra' || typeof value === 'number',
    'string',
  )('random'),
};

/** Returns a copy of a configuration in which every `remap` that names a file is the list in it. */
export function withUsedCodes<T>(config: T): T {
  if (!isTree(config)) return config;
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => [
      key,
      key === 'remap' && typeof value === 'string' ? readUsedCodes(value) : withUsedCodes(value),
    ]),
  ) as T;
}

/** Reads the `.npy` file that a configuration names for the codes in use. */
export function readUsedCodes(path: string): number[] {
  if (!existsSync(path))
    throw new TypeError(`remap: there is no file ${path}; name a .npy file of used codes`);
  return torch.scope(() => {
    const used = parseNpy(readFileSync(path), path);
    if (used.dtype.startsWith('int') || used.dtype.startsWith('uint')) {
      return [used.to('int64').flatten().tolist() as number | number[]].flat();
    }
    throw new TypeError(`remap: ${path} holds ${used.dtype}, not the integers of codes`);
  });
}

/** Validates `remap` and converts it to an int64 vector. */
export function usedIndices(remap: readonly number[] | Tensor | string, nEmbed: number): Tensor {
  const codes = typeof remap === 'string' ? readUsedCodes(remap) : remap;
  const used =
    codes instanceof torch.Tensor
      ? codes.detach().to('int64').clone()
      : torch.tensor(codes.map(BigInt), { dtype: 'int64' });
  if (used.ndim !== 1 || used.numel() === 0) {
    throw new torch.ShapeError(
      `remap must be one-dimensional and list at least one code; got shape [${used.shape.join(', ')}]`,
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
