/**
 * Narrowing a codebook to the codes that are in use: a transformer then predicts among `used.length`
 * (or one more) tokens instead of all codes.
 */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as nn from '../../torch/nn/index.js';
import { kind, optional } from '../../config/schema.js';

/** What an index outside the used ones becomes: any used one at random, a token of its own, or a given token. */
export type UnknownIndex = 'random' | 'extra' | number;

/** What quantizers with a `remap` are told of it. */
export const remapSchema = {
  /** Codes in use; indices then count among these. */
  remap: optional(
    kind<readonly number[] | Tensor>(
      'a list of code indices, integers (read the .npy file the reference names here and pass its numbers)',
      (value) => value instanceof torch.Tensor || (Array.isArray(value) && value.every(Number.isSafeInteger)),
    )(),
  ),
  /** What codes outside `remap` become. Default 'random'. */
  unknownIndex: kind<UnknownIndex>(
    '"random", "extra" or a token',
    (value) => value === 'random' || value === 'extra' || typeof value === 'number',
    'string',
  )('random'),
};

/** Checks `remap` and makes it an int64 vector. */
export function usedIndices(remap: readonly number[] | Tensor, nEmbed: number): Tensor {
  const used = remap instanceof torch.Tensor ? remap.detach().to('int64').clone() : int64Vector(remap);
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

function int64Vector(codes: readonly number[]): Tensor {
  const wrong = codes.find((code) => !Number.isSafeInteger(code));
  if (wrong !== undefined) throw new TypeError(`remap must hold integers; got ${wrong}`);
  return torch.tensor(codes.map(BigInt), { dtype: 'int64' });
}

/**
 * A quantizer whose indices may be remapped. The state dict holds the used codes under `used`; a model
 * without `remap` has no such key and both maps give back their input.
 */
export abstract class RemappableQuantizer extends nn.Module {
  declare used: Tensor | null;
  /** Number of distinct indices that come out: all codes, the used ones, or one more. */
  reEmbed: number;
  /** Token of codes outside the used ones, or 'random'. */
  unknownToken: 'random' | number = 'random';

  constructor(nEmbed: number) {
    super();
    this.reEmbed = nEmbed;
  }

  /** Called by the subclass's constructor once its layers stand: a buffer is no draw, but keys keep their order. */
  protected setUsed(
    remap: readonly number[] | Tensor | null | undefined,
    unknownIndex: UnknownIndex,
    nEmbed: number,
  ): void {
    if (remap === null || remap === undefined) return;
    const used = usedIndices(remap, nEmbed);
    this.registerBuffer('used', used);
    this.reEmbed = used.numel();
    if (unknownIndex === 'extra') {
      this.unknownToken = this.reEmbed;
      this.reEmbed += 1;
    } else if (unknownIndex === 'random') {
      this.unknownToken = 'random';
    } else if (Number.isInteger(unknownIndex) && unknownIndex >= 0 && unknownIndex < this.reEmbed) {
      this.unknownToken = unknownIndex;
    } else {
      throw new RangeError(
        `unknownIndex must be 'random', 'extra' or a token from 0 to ${this.reEmbed - 1}; got ${String(unknownIndex)}`,
      );
    }
  }

  /** Codes of the whole codebook → positions among the used ones; same shape, at least one dimension. */
  remapToUsed(indices: Tensor): Tensor {
    const { used, unknownToken } = this;
    if (!used) return indices;
    return torch.scope(() => {
      const match = indices.unsqueeze(-1).eq(used); // [..., used]
      const position = match.to('int64').argmax(-1);
      // Drawn for every position, known or not: counting the unknown ones would wait for the device.
      const unknown =
        unknownToken === 'random'
          ? torch.randint(0, this.reEmbed, position.shape, { dtype: 'int64', device: indices.device })
          : torch.fullLike(position, unknownToken);
      return torch.where(match.any(-1), position, unknown);
    });
  }

  /** Positions among the used codes → codes of the whole codebook; the extra token becomes the first used code. */
  unmapToAll(indices: Tensor): Tensor {
    const { used } = this;
    if (!used) return indices;
    return torch.scope(() => {
      const known = used.numel();
      const position = this.reEmbed > known ? indices.maskedFill(indices.ge(known), 0) : indices;
      return used.indexSelect(0, position.reshape([-1])).reshape(indices.shape);
    });
  }
}
