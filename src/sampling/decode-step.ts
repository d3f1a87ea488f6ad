import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import type * as nn from '../torch/nn/index.js';
import * as F from '../torch/nn/functional.js';
import type { KeyValueCache } from '../models/priors/key-value-cache.js';
import type { Block, GPT } from '../models/priors/gpt.js';
import type { Affine, DecodeKernels } from './decode-kernels.js';
import { drawToken } from './filters.js';
import type { PickOptions } from './filters.js';

/** A block, its query, key and value weights side by side, and its part of the cache. */
interface Layer {
  block: Block;
  qkv: Affine & { bias: Tensor };
  memory: Tensor; // [2, B, H, capacity, D]
}

/**
 * Feeds one token to a GPT and draws the next, with every tensor at a fixed place and of a fixed shape, and the position
 * itself on the device: the host only launches work, so the work can be recorded once and replayed as a CUDA graph. The
 * same arithmetic as `GPT.forward` with a cache, in evaluation mode. Query, key and value weights are copies, as they were
 * at the last `refresh`; all others are the model's own.
 */
export class DecodeStep {
  /** Given and drawn tokens, `[B, capacity + 1]` int64. */
  readonly tokens: Tensor;
  /** Largest logit that each drawn token was drawn from, at that token's place: `[B, capacity + 1]` float64. */
  readonly peaks: Tensor;
  readonly #gpt: GPT;
  readonly #pick: PickOptions;
  readonly #layers: Layer[];
  /** Index of the token fed next, and its position in the sequence, which embeddings may precede: int64 `[1]`. */
  readonly #at: Tensor;
  readonly #position: Tensor;
  readonly #positions: Tensor; // [capacity], 0, 1, 2, …
  readonly #kernels: DecodeKernels | null;

  /** @param kernels what runs the blocks and the head in place of operators; they look at all positions there are */
  constructor(gpt: GPT, cache: KeyValueCache, pick: PickOptions, kernels: DecodeKernels | null = null) {
    const { device } = gpt.posEmb;
    this.#gpt = gpt;
    this.#pick = pick;
    this.#kernels = kernels;
    const own = torch.noGrad(() =>
      torch.scope(() => ({
        qkv: [...gpt.blocks].map((block) => block.attn.qkv()),
        tokens: torch.zeros([cache.batch, cache.capacity + 1], { dtype: 'int64', device }),
        peaks: torch.zeros([cache.batch, cache.capacity + 1], { dtype: 'float64', device }),
        at: torch.zeros([1], { dtype: 'int64', device }),
        position: torch.zeros([1], { dtype: 'int64', device }),
        positions: torch.arange(cache.capacity, { dtype: 'int64', device }),
      })),
    );
    const { qkv, tokens, peaks, at, position, positions } = torch.keep(own);
    this.#layers = [...gpt.blocks].map((block, i) => ({ block, qkv: qkv[i]!, memory: cache.layer(i) }));
    this.tokens = tokens;
    this.peaks = peaks;
    this.#at = at;
    this.#position = position;
    this.#positions = positions;
  }

  /** Takes the model's present query, key and value weights, to where the recorded work reads them. */
  refresh(): void {
    torch.noGrad(() => {
      for (const { block, qkv } of this.#layers) {
        torch.scope(() => {
          const { weight, bias } = block.attn.qkv();
          qkv.weight.copy_(weight);
          qkv.bias.copy_(bias);
        });
      }
    });
  }

  /** Goes to the token numbered `at`, which is at `position` of the sequence; nothing before it changes. */
  moveTo(at: number, position: number): void {
    this.#at.fill_(at);
    this.#position.fill_(position);
  }

  /** One token for each row. Attention looks at the first `window` positions of the cache, of which the later are hidden. */
  run(window: number): void {
    torch.noGrad(() =>
      torch.scope(() => {
        const { tokEmb, posEmb, lnF, head } = this.#gpt;
        const position = this.#position;
        const token = this.tokens.indexSelect(1, this.#at).squeeze(1); // [B]
        let x = F.embedding(token, tokEmb.weight).add(posEmb.squeeze(0).indexSelect(0, position)); // [B, E]
        const kernels = this.#kernels;
        const blockOn = kernels ? this.#fusedBlock(kernels) : this.#block(window);
        for (const layer of this.#layers) x = torch.scope(() => blockOn(layer, x));
        const logits = kernels
          ? kernels.normedProduct(x, lnF, { weight: head.weight, bias: null })
          : F.linear(normalize(x, lnF), head.weight); // [B, V]
        const { token: next, peak } = drawToken(logits, this.#pick); // [B, 1]
        this.tokens.indexCopy_(1, this.#at.add_(1), next);
        this.peaks.indexCopy_(1, this.#at, peak.double());
        position.add_(1);
      }),
    );
  }

  /** A block by operators, `[B, E]` → `[B, E]`. */
  #block(window: number): (layer: Layer, x: Tensor) => Tensor {
    const { nHead, posEmb } = this.#gpt;
    const hidden = this.#positions.narrow(0, 0, window).gt(this.#position);
    const attnMask = torch
      .zeros([window], { dtype: posEmb.dtype, device: posEmb.device })
      .maskedFill(hidden, -Infinity)
      .view([1, 1, 1, window]);
    return ({ block, qkv, memory }, x) => {
      const [batch, width] = x.shape as [number, number];
      const [widen, narrow] = feedForward(block);
      const projected = affine(normalize(x, block.ln1), qkv)
        .view([batch, 3, nHead, 1, width / nHead])
        .transpose(0, 1); // [3, B, H, 1, D]
      memory.indexCopy_(3, this.#position, projected.narrow(0, 1, 2));
      const seen = memory.narrow(3, 0, window);
      const y = F.scaledDotProductAttention(projected.select(0, 0), seen.select(0, 0), seen.select(0, 1), {
        attnMask,
      }); // [B, H, 1, D]
      const attended = x.add(affine(y.reshape([batch, width]), block.attn.proj));
      const widened = F.gelu(affine(normalize(attended, block.ln2), widen)); // [B, 4E]
      return attended.add(affine(widened, narrow)); // [B, E]
    };
  }

  /** The same by kernels of our own. */
  #fusedBlock(kernels: DecodeKernels): (layer: Layer, x: Tensor) => Tensor {
    return ({ block, qkv, memory }, x) => {
      const [widen, narrow] = feedForward(block);
      const projected = kernels.normedProduct(x, block.ln1, qkv); // [1, 3E]
      const y = kernels.attend(projected, memory, this.#position); // [1, E]
      const attended = kernels.productAndSum(y, block.attn.proj, x);
      const widened = kernels.normedProductGelu(attended, block.ln2, widen); // [1, 4E]
      return kernels.productAndSum(widened, narrow, attended); // [1, E]
    };
  }

  /** Whether the kernels run it, for which `run`'s window is of no matter. */
  get fused(): boolean {
    return this.#kernels !== null;
  }

  /**
   * How far the first block by kernels is from the same by operators, as a share of the largest value; 0 without kernels.
   * Empties that layer's part of the cache.
   */
  differenceFromOperators(): number {
    const kernels = this.#kernels;
    const [layer] = this.#layers;
    if (!kernels || !layer) return 0;
    const { nEmbd, posEmb } = this.#gpt;
    const { memory } = layer;
    const capacity = memory.shape[3]!;
    const wave = (size: number, shift: number) => torch.arange(size).mul(0.7).add(shift).sin().to(posEmb);
    const shareAt = (place: number) =>
      torch.scope(() => {
        this.moveTo(place, place);
        memory.copy_(wave(memory.numel(), place).view(memory.shape));
        const x = wave(nEmbd, place).unsqueeze(0); // [1, E]
        const right = this.#block(capacity)(layer, x).float();
        const found = this.#fusedBlock(kernels)(layer, x).float();
        return Number(found.sub(right).abs().max().div(right.abs().max()).item());
      });
    const { matmul } = torch.backends.cuda;
    const { allowTf32 } = matmul;
    matmul.allowTf32 = false; // which would be the operators' error
    try {
      // The last but one has keys for more than one round of the kernel's.
      const shares = torch.noGrad(() => [0, 1, Math.max(0, capacity - 2)].map(shareAt));
      // Math.max would do, but for what is not a number.
      return shares.every((share) => share < Infinity) ? Math.max(...shares) : Infinity;
    } finally {
      matmul.allowTf32 = allowTf32;
      torch.noGrad(() => memory.zero_());
    }
  }

  dispose(): void {
    torch.dispose([
      this.tokens,
      this.peaks,
      this.#at,
      this.#position,
      this.#positions,
      this.#layers.map(({ qkv }) => qkv),
    ]);
  }
}

/** The linear layers around the activation. */
function feedForward(block: Block): [nn.Linear, nn.Linear] {
  const [widen, , narrow] = [...block.mlp] as unknown as [nn.Linear, nn.Module, nn.Linear];
  return [widen, narrow];
}

function affine(x: Tensor, { weight, bias }: Affine): Tensor {
  return F.linear(x, weight, bias);
}

function normalize(x: Tensor, { weight, bias, eps }: nn.LayerNorm): Tensor {
  return F.layerNorm(x, [x.shape.at(-1)!], { weight, bias, eps });
}
