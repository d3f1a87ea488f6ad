/** One-token forward with the fused CUDA kernels. No other code implements a model's arithmetic outside the model. */
import type { KeyValueCache } from '../../models/priors/key-value-cache.js';
import type { DecodeBlock, DecodeModel, Prior } from '../../models/priors/prior.js';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import type { Affine } from '../../torch/nn/index.js';
import * as F from '../../torch/nn/functional.js';
import { DecodeKernels, whyNoDecodeKernels } from './decode-kernels.js';

/** One-token forward with fused kernels, for batch size one. Attention covers all positions up to the token's. */
export class KernelForward {
  readonly #model: DecodeModel;
  readonly #cache: KeyValueCache;
  readonly #qkv: readonly Affine[];
  readonly #kernels: DecodeKernels;

  constructor(model: DecodeModel, cache: KeyValueCache, qkv: readonly Affine[], kernels: DecodeKernels) {
    this.#model = model;
    this.#cache = cache;
    this.#qkv = qkv;
    this.#kernels = kernels;
  }

  /** Returns the logits `[1, V]` of a token `[1, 1]` at a position `[1]`. */
  run(token: Tensor, position: Tensor): Tensor {
    const { tokens, positions, blocks, norm, head } = this.#model;
    let x = F.embedding(token.squeeze(1), tokens).add(positions.squeeze(0).indexSelect(0, position)); // [1, E]
    for (const [layer, block] of blocks.entries())
      x = torch.scope(() => this.#block(block, layer, x, position));
    return this.#kernels.normedProduct(x, norm, head);
  }

  #block({ ln1, proj, ln2, widen, narrow }: DecodeBlock, layer: number, x: Tensor, position: Tensor): Tensor {
    const kernels = this.#kernels;
    const projected = kernels.normedProduct(x, ln1, this.#qkv[layer]!); // [1, 3E]
    const y = kernels.attend(projected, this.#cache.layer(layer), position); // [1, E]
    const attended = kernels.productAndSum(y, proj, x);
    const widened = kernels.normedProductGelu(attended, ln2, widen); // [1, 4E]
    return kernels.productAndSum(widened, narrow, attended); // [1, E]
  }

  /**
   * Returns the largest difference between the kernels' first block and the model's own forward of it, relative to the
   * largest value. Clears that layer's part of the cache.
   */
  differenceFromForward(): number {
    const { blocks, positions } = this.#model;
    const [block] = blocks;
    if (!block) return 0;
    const memory = this.#cache.layer(0);
    const { capacity } = this.#cache;
    const wave = (size: number, shift: number) => torch.arange(size).mul(0.7).add(shift).sin().to(positions);
    const shareAt = (place: number) =>
      torch.scope(() => {
        const position = torch.full([1], place, { dtype: 'int64', device: positions.device });
        memory.copy_(wave(memory.numel(), place).view(memory.shape));
        const x = wave(positions.shape[2]!, place).unsqueeze(0); // [1, E]
        const at = this.#cache.at(position, capacity, this.#qkv);
        const right = block.forward(x.unsqueeze(0), at).squeeze(0).float();
        const found = this.#block(block, 0, x, position).float();
        return Number(found.sub(right).abs().max().div(right.abs().max()).item());
      });
    const { matmul } = torch.backends.cuda;
    const { allowTf32 } = matmul;
    matmul.allowTf32 = false; // TF32 would add error on the operators' side
    try {
      // The last but one position has more keys than one round of the kernel handles.
      const shares = torch.noGrad(() => [0, 1, Math.max(0, capacity - 2)].map(shareAt));
      // Not Math.max, because NaN must be handled explicitly.
      return shares.every((share) => share < Infinity) ? Math.max(...shares) : Infinity;
    } finally {
      matmul.allowTf32 = allowTf32;
      torch.noGrad(() => memory.zero_());
    }
  }
}

// Tolerances relative to the largest value, to allow for different rounding.
const tolerated: Partial<Record<torch.DType, number>> = { float32: 1e-4, bfloat16: 3e-2, float16: 4e-3 };

/** Returns the fused forward if the kernels support the model and agree with its own forward; otherwise the reason. */
export function kernelForward(
  prior: Prior,
  cache: KeyValueCache,
  qkv: readonly Affine[],
): KernelForward | string {
  const failure = whyNoDecodeKernels(prior, cache.batch);
  if (failure !== null) return failure;
  try {
    const model = prior.decodeModel!();
    const { dtype } = model.positions;
    const forward = new KernelForward(model, cache, qkv, DecodeKernels.for(dtype));
    const difference = forward.differenceFromForward();
    if (difference <= tolerated[dtype]!) return forward;
    return `their results differ from the operators' by ${difference}`;
  } catch (error) {
    return (error as Error).message;
  }
}
