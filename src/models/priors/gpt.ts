/**
 * The autoregressive prior: a decoder-only transformer over codebook indices. Results and key names match minGPT as
 * used by the VQGAN paper's reference (arXiv 2012.09841, section 3.2).
 */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as nn from '../../torch/nn/index.js';
import * as F from '../../torch/nn/functional.js';
import { gptSchema, readGpt, type GPTConfig, type ResolvedConfig } from './gpt-config.js';
import { KeyValueCache, type AnyCache, type CacheAt } from './key-value-cache.js';
import type { DecodeModel, Prior, PriorForwardOptions } from './prior.js';

/** Returns a mask with ones where row i may attend to column j: j ≤ i, or both in the unmasked prefix. [1, 1, T, T] */
function attentionMask(blockSize: number, nUnmasked: number): Tensor {
  return torch.scope(() => {
    const mask = torch.ones([blockSize, blockSize]).tril();
    if (nUnmasked > 0) mask.narrow(0, 0, nUnmasked).narrow(1, 0, nUnmasked).fill_(1);
    return mask.view([1, 1, blockSize, blockSize]);
  });
}

/**
 * Causal multi-head self-attention with biases on all four projections and scale 1/√D.
 *
 * @example
 * ```ts
 * const { config } = new GPT({ vocabSize: 1024, blockSize: 256, nLayer: 1, nHead: 8, nEmbd: 256 });
 * const attention = new CausalSelfAttention(config);
 * const y = attention.forward(torch.randn([2, 256, 256])); // [2, 256, 256]
 * ```
 */
export class CausalSelfAttention extends nn.Module {
  readonly key: nn.Linear;
  readonly query: nn.Linear;
  readonly value: nn.Linear;
  readonly residDrop: nn.Dropout;
  readonly proj: nn.Linear;
  /** Sizes and dropout of the GPT that the block belongs to. */
  readonly config: Readonly<ResolvedConfig>;
  /** See `GPT.fuseQkv`. */
  fusedQkv = false;
  /** Attention mask, a float tensor as in checkpoints. [1, 1, blockSize, blockSize] */
  declare readonly mask: Tensor;

  constructor(config: ResolvedConfig) {
    super();
    const { nEmbd, blockSize, residPdrop, nUnmasked } = config;
    this.config = config;
    this.key = new nn.Linear(nEmbd, nEmbd);
    this.query = new nn.Linear(nEmbd, nEmbd);
    this.value = new nn.Linear(nEmbd, nEmbd);
    this.residDrop = new nn.Dropout(residPdrop);
    this.proj = new nn.Linear(nEmbd, nEmbd);
    this.registerBuffer('mask', attentionMask(blockSize, nUnmasked));
  }

  /** Applies attention: x `[B, T, E]` → `[B, T, E]`. With a cache, x continues the cached positions. */
  override forward(x: Tensor, cache?: AnyCache, layer = 0): Tensor {
    const dropoutP = this.training ? this.config.attnPdrop : 0;
    const visible = this.#visible(x.shape[1]!, cache);
    const [query, key, value] = this.#project(x, cache, layer); // [B, H, T, D], [B, H, past + T, D]
    const y = F.scaledDotProductAttention(query, key, value, { dropoutP, ...visible }); // [B, H, T, D]
    // One position needs no transpose, and inference needs no dropout: skipping both keeps sampling steps short.
    const joined = x.shape[1] === 1 ? y.reshape(x.shape) : y.transpose(1, 2).reshape(x.shape); // [B, T, E]
    const projected = this.proj.forward(joined);
    return this.training ? this.residDrop.forward(projected) : projected;
  }

  /** Returns the mask options for `count` new positions. */
  #visible(count: number, cache?: AnyCache): { isCausal?: true; attnMask?: Tensor } {
    if (cache && 'mask' in cache && cache.mask) return { attnMask: cache.mask };
    const past = cache instanceof KeyValueCache ? cache.length : 0;
    // A single new position attends to all earlier ones, so no mask is needed.
    if (past > 0 && count === 1) return {};
    // The kernel's own causal mask skips the upper triangle instead of computing and discarding it.
    if (past === 0 && this.config.nUnmasked === 0) return { isCausal: true };
    const rows = this.mask.narrow(2, past, count);
    return { attnMask: rows.narrow(3, 0, past + count).ne(0) }; // [1, 1, T, past + T]
  }

  /** Returns the query of the new positions, and the key and value of all visible ones, each `[B, H, positions, D]`. */
  #project(x: Tensor, cache: AnyCache | undefined, layer: number): [Tensor, Tensor, Tensor] {
    const [batch, count, width] = x.shape as [number, number, number];
    const { nHead } = this.config;
    if (cache && 'qkv' in cache) {
      const projected = nn.affine(x, cache.qkv[layer]!); // [B, 1, 3E]
      const size = width / nHead;
      const query = projected.asStrided([batch, nHead, 1, size], [3 * width, size, size, 1]); // [B, H, 1, D]
      // One view instead of three: an operator on the host takes as long as a small matrix product.
      const strides = [width, 3 * width, size, size, 1];
      return [query, ...cache.write(layer, projected.asStrided([2, batch, nHead, 1, size], strides, width))];
    }
    const split = (t: Tensor) => t.view([batch, count, nHead, width / nHead]).transpose(1, 2);
    const [query, key, value] = this.#projections(x).map(split) as [Tensor, Tensor, Tensor];
    return [query, ...(cache?.write(layer, key, value) ?? ([key, value] as const))];
  }

  /** Returns query, key and value, each `[B, T, E]`. */
  #projections(x: Tensor): Tensor[] {
    if (!this.fusedQkv) return [this.query.forward(x), this.key.forward(x), this.value.forward(x)];
    const { weight, bias } = this.qkv();
    return F.linear(x, weight, bias).chunk(3, -1);
  }

  /** Returns the query, key and value projections concatenated in this order: `[3E, E]` and `[3E]`, new tensors. */
  qkv(): { weight: Tensor; bias: Tensor } {
    const layers = [this.query, this.key, this.value];
    return {
      weight: torch.cat(layers.map((layer) => layer.weight)),
      bias: torch.cat(layers.map((layer) => layer.bias!)),
    };
  }
}

/**
 * Pre-norm transformer block.
 *
 * @example
 * ```ts
 * const { config } = new GPT({ vocabSize: 1024, blockSize: 256, nLayer: 1, nHead: 8, nEmbd: 256 });
 * const block = new Block(config);
 * const y = block.forward(torch.randn([2, 256, 256])); // [2, 256, 256]
 * ```
 */
export class Block extends nn.Module {
  readonly ln1: nn.LayerNorm;
  readonly ln2: nn.LayerNorm;
  /** Causal self-attention; with `nUnmasked`, the first positions see each other. */
  readonly attn: CausalSelfAttention;
  readonly mlp: nn.Sequential;

  constructor(config: ResolvedConfig) {
    super();
    const { nEmbd, residPdrop } = config;
    this.ln1 = new nn.LayerNorm(nEmbd);
    this.ln2 = new nn.LayerNorm(nEmbd);
    this.attn = new CausalSelfAttention(config);
    this.mlp = new nn.Sequential(
      new nn.Linear(nEmbd, 4 * nEmbd),
      new nn.GELU(),
      new nn.Linear(4 * nEmbd, nEmbd),
      new nn.Dropout(residPdrop),
    );
  }

  override forward(x: Tensor, cache?: AnyCache, layer = 0): Tensor {
    const attended = x.add(this.attn.forward(this.ln1.forward(x), cache, layer)); // [B, T, E]
    return attended.add(this.mlp.forward(this.ln2.forward(attended)));
  }
}

/** Initialises weights as minGPT does: Linear and Embedding weights N(0, 0.02), biases 0, LayerNorm 1 and 0. */
function initWeights(module: nn.Module): void {
  if (module instanceof nn.Linear || module instanceof nn.Embedding) {
    nn.init.normal_(module.weight, 0, 0.02);
    if (module instanceof nn.Linear && module.bias) nn.init.zeros_(module.bias);
  } else if (module instanceof nn.LayerNorm) {
    if (module.bias) nn.init.zeros_(module.bias);
    if (module.weight) nn.init.ones_(module.weight);
  }
}

export type GPTForwardOptions = PriorForwardOptions;

/**
 * minGPT: learned absolute positions (initialised to zero), pre-norm blocks with exact GELU, and a head that does not
 * have a bias and is not tied to the token embedding.
 *
 * @example
 * ```ts
 * const gpt = new GPT({ vocabSize: 1024, blockSize: 256, nLayer: 4, nHead: 8, nEmbd: 256 });
 * const codes = torch.randint(0, 1024, [2, 256]);
 * const logits = gpt.forward(codes.narrow(1, 0, 255)); // [2, 255, 1024]
 * const loss = F.crossEntropy(logits.flatten(0, 1), codes.narrow(1, 1, 255).flatten());
 * ```
 */
export class GPT extends nn.Module implements Prior {
  /** Schema of the accepted configuration. */
  static readonly schema: typeof gptSchema = gptSchema;
  /** Token embeddings: [vocabSize, nEmbd]. */
  readonly tokEmb: nn.Embedding;
  /** Position embeddings: [1, blockSize, nEmbd]. */
  readonly posEmb: nn.Parameter;
  readonly drop: nn.Dropout;
  readonly blocks: nn.ModuleList<Block>;
  readonly lnF: nn.LayerNorm;
  /** Projection to one logit per token id, without bias. */
  readonly head: nn.Linear;
  readonly vocabSize: number;
  readonly blockSize: number;
  readonly nUnmasked: number;
  readonly nEmbd: number;
  /**
   * Sampling only draws ids below this number. It equals `vocabSize` until a `Net2NetTransformer` sets it to the number
   * of codes of its first stage. Larger ids, such as classes, are only used as input.
   */
  nCodes: number;
  /** Configuration, with defaults filled in. */
  readonly config: Readonly<ResolvedConfig>;

  constructor(config: GPTConfig) {
    super();
    const resolved = readGpt(config);
    const { vocabSize, blockSize, nLayer, nEmbd, embdPdrop, nUnmasked } = resolved;
    this.config = resolved;
    this.vocabSize = vocabSize;
    this.blockSize = blockSize;
    this.nUnmasked = nUnmasked;
    this.nEmbd = nEmbd;
    this.nCodes = vocabSize;
    this.tokEmb = new nn.Embedding(vocabSize, nEmbd);
    this.posEmb = new nn.Parameter(torch.zeros([1, blockSize, nEmbd]));
    this.drop = new nn.Dropout(embdPdrop);
    this.blocks = new nn.ModuleList(Array.from({ length: nLayer }, () => new Block(resolved)));
    this.lnF = new nn.LayerNorm(nEmbd);
    this.head = new nn.Linear(nEmbd, vocabSize, { bias: false });
    // Layers draw their default weights first and are overwritten here, so that a seed gives the same weights as PyTorch.
    this.apply(initWeights);
  }

  /**
   * Maps token ids `[B, T]` int64 to logits `[B, N + T, V]` (N prepended embeddings), or `[B, 1, V]` with `lastOnly` or
   * `at`. Throws a `ShapeError` if the sequence is longer than the block.
   */
  override forward(idx: Tensor, { embeddings, cache, lastOnly = false, at }: GPTForwardOptions = {}): Tensor {
    if (idx.ndim !== 2) {
      throw new torch.ShapeError(
        `GPT expects token ids [batch, length], got shape [${idx.shape.join(', ')}].`,
      );
    }
    const { nEmbd } = this.config;
    if (embeddings && (embeddings.ndim !== 3 || embeddings.shape[2] !== nEmbd)) {
      throw new torch.ShapeError(
        `GPT expects embeddings [batch, count, ${nEmbd}], got shape [${embeddings.shape.join(', ')}].`,
      );
    }
    if (cache && torch.isGradEnabled()) {
      throw new torch.TorchError('GPT: a cache is for inference; call forward inside torch.noGrad(() => …).');
    }
    const tokens = this.tokEmb.forward(idx); // [B, T, E]
    let x = embeddings ? torch.cat([embeddings.to(tokens.dtype), tokens], 1) : tokens; // [B, N + T, E]
    const past = cache instanceof KeyValueCache ? cache.length : 0;
    const count = x.shape[1]!;
    if (past + count > this.blockSize) {
      throw new torch.ShapeError(
        `GPT: a sequence of ${past + count} positions exceeds the block size of ${this.blockSize}; ` +
          `shorten it, or build the model with a larger blockSize.`,
      );
    }
    const positions =
      cache && 'position' in cache
        ? F.embedding(cache.position, this.posEmb.squeeze(0))
        : this.posEmb.narrow(1, past, count);
    x = this.drop.forward(x.add(positions));
    const blocks = [...this.blocks].map(
      (block, layer) => (h: Tensor) => block.forward(h, cache ?? undefined, layer),
    );
    x = nn.chain(x, ...blocks); // [B, N + T, E]
    if (cache instanceof KeyValueCache) cache.advance(count);
    if (lastOnly) x = x.narrow(1, count - 1, 1); // [B, 1, E]
    if (at) x = x.takeAlongDim(at.view([-1, 1, 1]), 1); // [B, 1, E]
    return this.head.forward(this.lnF.forward(x)); // [B, N + T, V]
  }

  /**
   * Computes query, key and value of each layer with one matrix product instead of three, using weights concatenated in
   * each forward. Keys and shapes do not change, and results change only by rounding. Off by default.
   */
  fuseQkv(on = true): this {
    for (const block of this.blocks) block.attn.fusedQkv = on;
    return this;
  }

  /** Creates an empty key/value cache with the model's device and dtype; `capacity` defaults to `blockSize`. */
  createCache(batch: number, capacity: number = this.blockSize): KeyValueCache {
    const { nLayer, nHead, nEmbd } = this.config;
    const { dtype, device } = this.posEmb;
    return new KeyValueCache({ nLayer, nHead, headSize: nEmbd / nHead, batch, capacity, dtype, device });
  }

  /** Returns the concatenated query, key and value weights of each layer, as new tensors. */
  qkv(): nn.Affine[] {
    return [...this.blocks].map(({ attn }) => attn.qkv());
  }

  /** Returns the weights in the form the fused decode kernels take. */
  decodeModel(): DecodeModel {
    const blocks = [...this.blocks].map((block, layer) => ({
      ln1: block.ln1,
      proj: block.attn.proj,
      ln2: block.ln2,
      widen: block.mlp.get(0) as nn.Linear,
      narrow: block.mlp.get(2) as nn.Linear,
      forward: (x: Tensor, cache: CacheAt) => block.forward(x, cache, layer),
    }));
    const { tokEmb, posEmb: positions, lnF: norm, head } = this;
    return { nHead: this.config.nHead, tokens: tokEmb.weight, positions, blocks, norm, head };
  }
}
