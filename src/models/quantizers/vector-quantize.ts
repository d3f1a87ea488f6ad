/** A codebook with the options of lucidrains' VectorQuantize: averages, cosine, heads, dead codes, and more losses. */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as F from '../../torch/nn/functional.js';
import type * as nn from '../../torch/nn/index.js';
import { readConfig } from '../../config/read.js';
import type { Given, Settings } from '../../config/schema.js';
import type { Quantized } from '../encoded.js';
import { choiceLoss, diversity, nearness, orthogonality } from './codebook-losses.js';
import { directed } from './directional.js';
import { drawRows, drawsOf, type Draws } from './draws.js';
import { EMACodebook, SHORTEST } from './ema-codebook.js';
import { atLeastFloat32 } from './latents.js';
import { mapped, projectedIn, projectedOut, projections } from './projection.js';
import { Quantizer, type QuantizerConfig } from './quantizer.js';
import { rotatedTo } from './rotation-trick.js';
import { checkTogether, vectorQuantizeSchema as schema } from './vector-quantize-schema.js';

export type VectorQuantizeConfig = Given<typeof schema>;

/** Latents as they are compared, and what was chosen for them. */
interface Chosen {
  /** [C, R, n, d]: C codebooks, R rows of images (times heads that share a codebook), n positions. */
  points: Tensor;
  /** [C, R, n, d]. */
  chosen: Tensor;
  /** int64 [C, R, n]. */
  codes: Tensor;
  /** How near all codes are, [C, R, n, K], if the loss needs it. */
  near: Tensor | null;
}

/** A term of the loss. */
interface Term {
  name: string;
  weight: number;
  value: Tensor;
}

/**
 * Nearest-code quantizer whose codes follow averages of their latents (arXiv 1711.00937, appendix A.1) or are trained, with
 * the rotation trick (arXiv 2410.06424), replacement of dead codes, several heads, and losses that keep codes apart.
 *
 * @example
 * ```ts
 * const quantizer = new VectorQuantize({ nEmbed: 1024, embedDim: 256, thresholdEmaDeadCode: 2 });
 * const { quantized, indices } = quantizer.forward(torch.randn([2, 256, 16, 16])); // [2, 256, 16, 16], [2, 16, 16]
 * ```
 */
export class VectorQuantize extends Quantizer<Settings<typeof schema> & QuantizerConfig> {
  protected static override readonly scoped: readonly string[] = ['codes'];
  /** Schema of the accepted configuration. */
  static readonly schema: typeof schema = schema;
  static readonly keys = { embedding: '_codebook' };
  /** The codes [C, K, d] and their averages; C is 1 unless heads have codebooks of their own. */
  embedding: EMACodebook;
  readonly projectIn: nn.Linear | nn.Identity;
  readonly projectOut: nn.Linear | nn.Identity;
  /** Moves the codes `at` [M] to the latents `points` [M, D]; only with one head. */
  declare revive?: (at: Tensor, points: Tensor) => void;
  readonly #draws: Draws;
  /** Number of this quantizer among those that share its codebook. */
  #turn = 0;

  constructor(config: VectorQuantizeConfig) {
    const settings = readConfig(schema, config, 'VectorQuantize');
    checkTogether(settings);
    super(settings);
    const { embedDim, heads, codebookDim = embedDim, kmeansInit, kmeansIters } = settings;
    const { learnableCodebook, directionalReparam, orthogonalRegWeight } = settings;
    this.#draws = drawsOf(settings.draws);
    this.embedding = new EMACodebook({
      ...settings,
      codebooks: settings.separateCodebookPerHead ? heads : 1,
      width: codebookDim,
      cosine: settings.useCosineSim,
      trained: learnableCodebook || directionalReparam || orthogonalRegWeight > 0,
      ema: settings.emaUpdate ?? !(learnableCodebook || directionalReparam),
      threshold: settings.thresholdEmaDeadCode,
      kmeansIters: kmeansInit ? kmeansIters : 0,
      draws: this.#draws,
    });
    const { projectIn, projectOut } = projections({ dim: embedDim, inner: codebookDim * heads });
    this.projectIn = projectIn;
    this.projectOut = projectOut;
    if (heads === 1) this.revive = (at, points) => this.embedding.move(0, at, this.#inner(points));
  }

  /** Quantizes z [B, D, h, w]; indices are [B, h, w], or [B, h, w, heads]. All results are of the codes before they move. */
  override forward(z: Tensor): Quantized {
    const found = this.#chosen(z);
    const { points, chosen, codes } = found;
    const terms = this.training ? this.#terms(found) : [];
    const none = torch.zeros([], { dtype: points.dtype, device: z.device });
    return {
      quantized: this.#whole(this.training ? this.#through(points, chosen) : chosen, z),
      loss: terms.reduce((sum, { weight, value }) => sum.add(value.mul(weight)), none),
      indices: this.remapToUsed(this.#inOrder(codes, z)),
      losses: Object.fromEntries(terms.map(({ name, value }) => [name, value])),
    };
  }

  /** Returns the codes of z [B, D, h, w], which gradients reach if codes are trained, and their indices. */
  chosen(z: Tensor): Pick<Quantized, 'quantized' | 'indices'> {
    const { chosen, codes } = this.#chosen(z);
    return { quantized: this.#whole(chosen, z), indices: this.#inOrder(codes, z) };
  }

  override indices(z: Tensor): Tensor {
    this.checkLatent(z);
    const { used, unknownToken } = this;
    const points = this.#split(z);
    if (used && unknownToken === 'random')
      return this.#inOrder(this.embedding.choose(points, this.embedding.weight.indexSelect(1, used)), z);
    return this.remapToUsed(this.#inOrder(this.embedding.choose(points), z));
  }

  override get indexDims(): number {
    return this.config.heads > 1 ? 4 : 3;
  }

  /** The codes [K, D]; with several heads those of the first codebook before the linear map, [K, d]. */
  override get codebook(): Tensor {
    const own = this.embedding.weight.select(0, 0);
    return this.config.heads > 1 ? own : this.projectOut.forward(own);
  }

  /** Returns the indices of the codes nearest to latents [N, D], int64 [N]; with one head only. */
  choose(latents: Tensor): Tensor {
    return this.embedding.choose(this.#inner(latents).unsqueeze(0)).select(0, 0);
  }

  /** Returns the codes of `indices`, int64 [B, h, w] or [B, h, w, heads], as [B, D, h, w]. */
  override codes(indices: Tensor): Tensor {
    this.checkIndices(indices);
    const { heads, separateCodebookPerHead: separate } = this.config;
    if (indices.ndim !== this.indexDims || (heads > 1 && indices.shape[3] !== heads)) {
      const form = heads > 1 ? `[B, h, w, ${heads}]` : '[B, h, w]';
      throw new torch.ShapeError(
        `the codes of indices ${form} can be had, not of [${indices.shape.join(', ')}]`,
      );
    }
    const all = this.unmapToAll(indices).reshape([...indices.shape.slice(0, 3), heads]);
    const each = separate
      ? this.embedding.at(all.permute([3, 0, 1, 2])).permute([1, 2, 3, 0, 4])
      : this.embedding.at(all.unsqueeze(0)).select(0, 0); // [B, h, w, heads, d]
    const inner = each.reshape([...indices.shape.slice(0, 3), -1]);
    return projectedOut(inner, this.projectOut, this.embedding.weight.dtype);
  }

  /** Returns the parameters of the linear maps, and the codes if gradients reach them. */
  override trained(): nn.Parameter[] {
    const { learnableCodebook, directionalReparam, orthogonalRegWeight } = this.config;
    const codes = learnableCodebook || directionalReparam || orthogonalRegWeight > 0;
    return this.parameters().filter((one) => codes || one !== this.embedding.weight);
  }

  /** Takes the codebook of a chain of quantizers, in which this one has a number; an outer module settles it. */
  share(codebook: EMACodebook, turn: number): void {
    this.embedding = codebook;
    this.#turn = turn;
    codebook.shared = true;
  }

  override still(fn: () => void, gather = true): () => void {
    return this.embedding.still(fn, gather);
  }

  /** Chooses codes for z [B, D, h, w]; in training they move then. */
  #chosen(z: Tensor): Chosen {
    this.checkLatent(z);
    const points = this.#split(z);
    if (this.training) this.embedding.initialise(points);
    const codes = this.embedding.choose(points);
    const chosen = this.embedding.at(codes);
    if (!this.training) return { points, chosen, codes, near: null };
    const before = this.#comparesAll ? this.embedding.weight.detach().clone() : null;
    this.embedding.update(points, codes, this.#turn);
    const near = before && this.#nearness(points, before);
    return { points, chosen, codes, near };
  }

  /** True if a term of the loss compares latents with all codes. */
  get #comparesAll(): boolean {
    const { codebookDiversityLossWeight, commitmentUseCrossEntropyLoss } = this.config;
    return codebookDiversityLossWeight > 0 || commitmentUseCrossEntropyLoss;
  }

  #nearness(points: Tensor, before: Tensor): Tensor {
    // Copies, because codes may move again before the backward pass.
    const after = atLeastFloat32(this.embedding.weight).clone();
    return nearness(points, { before: atLeastFloat32(before), after }, this.config.useCosineSim);
  }

  /** Returns the terms of the loss with their weights. */
  #terms({ points, chosen, codes, near }: Chosen): Term[] {
    const settings = this.config;
    const terms: Term[] = [];
    const add = (name: string, weight: number, value: () => Tensor) => {
      if (weight > 0) terms.push({ name, weight, value: value() });
    };
    add('codebookDiversity', settings.codebookDiversityLossWeight, () =>
      diversity(near!, settings.codebookDiversityTemperature),
    );
    add('commitment', settings.directionalReparam ? 0 : settings.commitmentWeight, () =>
      settings.commitmentUseCrossEntropyLoss
        ? choiceLoss(near!, codes)
        : F.mseLoss(settings.learnableCodebook ? chosen : chosen.detach(), points),
    );
    add('orthogonalReg', settings.orthogonalRegWeight, () => orthogonality(this.#keptApart(codes)));
    return terms;
  }

  /** Returns the codes [C, n, d] that the loss keeps apart. */
  #keptApart(codes: Tensor): Tensor {
    const { nEmbed, orthogonalRegActiveCodesOnly, orthogonalRegMaxCodes: most } = this.config;
    const all = atLeastFloat32(this.embedding.weight).clone();
    const active = orthogonalRegActiveCodesOnly
      ? all.indexSelect(1, codes.flatten().bincount(null, nEmbed).nonzero().flatten())
      : all;
    const count = active.shape[1]!;
    if (most === undefined || count <= most) return active;
    return active.indexSelect(1, drawRows(this.#draws, count, most, codes.device));
  }

  /** Returns the chosen codes with the gradient to the points. */
  #through(points: Tensor, chosen: Tensor): Tensor {
    const { directionalReparam, directionalReparamVariance, rotationTrick, syncUpdateV } = this.config;
    if (directionalReparam) return this.#directed(points, chosen, directionalReparamVariance);
    const through = rotationTrick ? rotatedTo(points, chosen) : points.add(chosen.sub(points).detach());
    return syncUpdateV > 0 ? through.add(through.sub(through.detach()).mul(syncUpdateV)) : through;
  }

  #directed(points: Tensor, chosen: Tensor, variance: number): Tensor {
    // Noise has the shape that the published implementation draws: without the axis of one codebook.
    if (points.shape[0] !== 1) return directed(points, chosen, variance, this.#draws);
    return directed(points.select(0, 0), chosen.select(0, 0), variance, this.#draws).unsqueeze(0);
  }

  /** Returns latents of one head [N, D] in the width and length of codes, [N, d]. */
  #inner(latents: Tensor): Tensor {
    return this.#unit(atLeastFloat32(mapped(latents, this.projectIn)));
  }

  #unit(points: Tensor): Tensor {
    return this.config.useCosineSim ? F.normalize(points, { dim: -1, eps: SHORTEST }) : points;
  }

  /** Returns latents [B, D, h, w] by codebook, [C, R, n, d]. */
  #split(z: Tensor): Tensor {
    const { heads, separateCodebookPerHead } = this.config;
    const inner = projectedIn(z, this.projectIn); // [B, h, w, heads·d]
    const [batch, height, width] = inner.shape as [number, number, number];
    const each = inner.reshape([batch, height * width, heads, -1]); // [B, n, heads, d]
    const split = separateCodebookPerHead
      ? each.permute([2, 0, 1, 3])
      : each.transpose(1, 2).reshape([1, batch * heads, height * width, -1]);
    return this.#unit(split);
  }

  /** Returns what lies as [C, R, n, …] by image and position, [B, n, heads, …]. */
  #joined(split: Tensor, batch: number): Tensor {
    const { heads, separateCodebookPerHead } = this.config;
    if (separateCodebookPerHead) return split.movedim(0, 2);
    return split.reshape([batch, heads, ...split.shape.slice(2)]).transpose(1, 2);
  }

  /** Returns codes [C, R, n, d] as latents like z [B, D, h, w]. */
  #whole(split: Tensor, z: Tensor): Tensor {
    const [batch, , height, width] = z.shape as [number, number, number, number];
    const inner = this.#joined(split, batch).reshape([batch, height, width, -1]);
    return projectedOut(inner, this.projectOut, z.dtype);
  }

  /** Returns indices [C, R, n] as [B, h, w], or [B, h, w, heads]. */
  #inOrder(codes: Tensor, z: Tensor): Tensor {
    const { heads } = this.config;
    const [batch, , height, width] = z.shape as [number, number, number, number];
    return this.#joined(codes, batch).reshape([batch, height, width, ...(heads > 1 ? [heads] : [])]);
  }
}
