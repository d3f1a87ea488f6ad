import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import type * as nn from '../torch/nn/index.js';
import * as F from '../torch/nn/functional.js';
import type { KeyValueCache } from '../models/key-value-cache.js';
import type { Block, GPT } from '../models/transformer.js';
import { pickToken } from './filters.js';
import type { PickOptions } from './filters.js';

interface Affine {
  weight: Tensor;
  bias: Tensor;
}

/** A block, its query, key and value weights side by side, and its part of the cache. */
interface Layer {
  block: Block;
  qkv: Affine;
  memory: Tensor; // [2, B, H, capacity, D]
}

/**
 * Feeds one token to a GPT and draws the next, with every tensor at a fixed place and of a fixed shape, and the position
 * itself on the device: the host only launches work, so the work can be recorded once and replayed as a CUDA graph. The
 * same arithmetic as `GPT.forward` with a cache, in evaluation mode, with the weights of the moment it was made.
 */
export class DecodeStep {
  /** Given and drawn tokens, `[B, capacity + 1]` int64. */
  readonly tokens: Tensor;
  readonly #gpt: GPT;
  readonly #pick: PickOptions;
  readonly #layers: Layer[];
  /** Index of the token fed next, and its position in the sequence, which embeddings may precede: int64 `[1]`. */
  readonly #at: Tensor;
  readonly #position: Tensor;
  readonly #positions: Tensor; // [capacity], 0, 1, 2, …

  constructor(gpt: GPT, cache: KeyValueCache, pick: PickOptions) {
    const { device } = gpt.posEmb;
    this.#gpt = gpt;
    this.#pick = pick;
    const own = torch.noGrad(() =>
      torch.scope(() => ({
        qkv: [...gpt.blocks].map((block) => block.attn.qkv()),
        tokens: torch.zeros([cache.batch, cache.capacity + 1], { dtype: 'int64', device }),
        at: torch.zeros([1], { dtype: 'int64', device }),
        position: torch.zeros([1], { dtype: 'int64', device }),
        positions: torch.arange(cache.capacity, { dtype: 'int64', device }),
      })),
    );
    const { qkv, tokens, at, position, positions } = torch.keep(own);
    this.#layers = [...gpt.blocks].map((block, i) => ({ block, qkv: qkv[i]!, memory: cache.layer(i) }));
    this.tokens = tokens;
    this.#at = at;
    this.#position = position;
    this.#positions = positions;
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
        const hidden = this.#positions.narrow(0, 0, window).gt(position);
        const mask = torch
          .zeros([window], { dtype: x.dtype, device: x.device })
          .maskedFill(hidden, -Infinity)
          .view([1, 1, 1, window]);
        for (const layer of this.#layers) x = torch.scope(() => this.#block(layer, x, window, mask));
        const logits = F.linear(normalize(x, lnF), head.weight); // [B, V]
        const next = pickToken(logits, this.#pick); // [B, 1]
        this.tokens.indexCopy_(1, this.#at.add_(1), next);
        position.add_(1);
      }),
    );
  }

  #block({ block, qkv, memory }: Layer, x: Tensor, window: number, mask: Tensor): Tensor {
    const [batch, width] = x.shape as [number, number];
    const { nHead } = this.#gpt;
    const [widen, , narrow] = [...block.mlp] as unknown as [Affine, unknown, Affine];
    const projected = affine(normalize(x, block.ln1), qkv)
      .view([batch, 3, nHead, 1, width / nHead])
      .transpose(0, 1); // [3, B, H, 1, D]
    memory.indexCopy_(3, this.#position, projected.narrow(0, 1, 2));
    const seen = memory.narrow(3, 0, window);
    const y = F.scaledDotProductAttention(projected.select(0, 0), seen.select(0, 0), seen.select(0, 1), {
      attnMask: mask,
    }); // [B, H, 1, D]
    const attended = x.add(affine(y.reshape([batch, width]), block.attn.proj as Affine));
    const widened = F.gelu(affine(normalize(attended, block.ln2), widen)); // [B, 4E]
    return attended.add(affine(widened, narrow)); // [B, E]
  }

  dispose(): void {
    torch.dispose([
      this.tokens,
      this.#at,
      this.#position,
      this.#positions,
      this.#layers.map(({ qkv }) => qkv),
    ]);
  }
}

function affine(x: Tensor, { weight, bias }: Affine): Tensor {
  return F.linear(x, weight, bias);
}

function normalize(x: Tensor, { weight, bias, eps }: nn.LayerNorm): Tensor {
  return F.layerNorm(x, [x.shape.at(-1)!], { weight, bias, eps });
}
