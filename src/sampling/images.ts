/** Sampling of images from conditions: the second stage draws the codes and its first stage decodes them. */
import type { ConditionInput } from '../models/conditions/condition.js';
import type { TwoStage } from '../models/two-stage.js';
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import * as F from '../torch/nn/functional.js';
import { refuseSeeds } from './cell-noise.js';
import { checkGuidable, type GuidanceOptions } from './guidance.js';
import { checkFilterOptions } from './logits.js';
import type { PickOptions } from './logits.js';
import { drawInOnePass } from './orders/one-pass.js';
import type { WindowStep } from './orders/window.js';
import { checkSteps, generate, TokenSampler } from './sampler.js';
import type { GenerateOptions } from './sampler.js';
import { isMapOf, joinedTokens, onGrid, partsOf, type GridCondition } from './window-condition.js';
import { sampleWindowed } from './windows.js';

export interface SampleTokensOptions extends Omit<
  GenerateOptions,
  'embeddings' | 'conditionLength' | 'nullCondition' | 'nullEmbeddings'
> {
  /** Given image tokens in reading order: `[B, L]`. Default: none. */
  prefix?: Tensor | null;
  /**
   * Sampler to use instead of `generate`; only its own options apply. It must be created for `net.transformer` with the
   * same batch size. Use it to sample repeatedly from the same weights, and always on CUDA; {@link ImageSampler} creates
   * one automatically.
   */
  sampler?: TokenSampler | null;
}

/**
 * Draws `steps` image tokens after the condition, tokens `[B, N]` or vectors `[B, N, D]` (and the `prefix`), and returns the image tokens
 * `[B, L + steps]` in reading order, without the condition. A model with `pkeep` ≤ 0 was trained only on random
 * image tokens, so it draws all tokens in one parallel pass over random input.
 *
 * Only ids that are codes of the first stage are drawn, even if the vocabulary is larger.
 * @throws RangeError for a condition that is not a class of the model, or if the sequence exceeds its block
 *
 * @example
 * ```ts
 * const { model: net } = await openRun('runs/transformer', 'transformer');
 * const { indices: condition } = net.encodeToC(torch.zeros([4, 3, 64, 64]));
 * const tokens = sampleTokens(net, condition, 256, { topK: 100 }); // [4, 256]
 * const images = net.decodeToImg(tokens, [16, 16]);
 * ```
 */
export function sampleTokens(
  net: TwoStage,
  condition: Tensor,
  steps: number,
  { prefix, sampler, ...options }: SampleTokensOptions = {},
): Tensor {
  return torch.noGrad(() =>
    torch.scope(() => {
      const given = prefix?.shape[1] ?? 0;
      checkSteps('sampleTokens', steps);
      checkGuidable(net, sampler?.pick ?? options);
      net.condition.check?.(condition);
      const { start: before, ...encoded } = startOf(net, condition);
      if (net.pkeep <= 0) {
        refuseSeeds('sampleTokens', options.seeds);
        if (options.known) {
          throw new RangeError(
            `sampleTokens: the model has pkeep ${net.pkeep}, so it draws all tokens at once and cannot draw some around known ones.`,
          );
        }
        const pick = sampler?.pick ?? options;
        return drawInOnePass(net.transformer, before, given + steps, pick, encoded.embeddings);
      }
      const start = prefix ? torch.cat([before, prefix], 1) : before;
      const { onToken, seeds = null, known = null } = options;
      const { conditionLength } = encoded;
      const tokens = sampler
        ? sampler.sample(start, steps, { ...encoded, seeds, known, ...(onToken && { onToken }) })
        : generate(net.transformer, start, steps, { ...options, ...encoded }); // [B, N + L + steps]
      return tokens.narrow(1, conditionLength, given + steps).contiguous();
    }),
  );
}

/** Returns the tokens or the vectors that stand for a condition before the image's tokens, and those of a dropped one. */
function startOf(net: TwoStage, condition: Tensor) {
  const dropped = net.dropped(condition);
  const stage = net.condition;
  if (!stage.embed) {
    return {
      start: condition,
      conditionLength: condition.shape[1]!,
      nullCondition: dropped,
      embeddings: null,
    };
  }
  const start = torch.empty([condition.shape[0]!, 0], { dtype: 'int64', device: condition.device });
  const nullEmbeddings = dropped && stage.embed(dropped);
  return { start, conditionLength: 0, embeddings: stage.embed(condition), nullEmbeddings };
}

export interface SampleImagesOptions extends SampleTokensOptions {
  /** Code grid `[h, w]`. Default: 16 × 16 (256 px for an f16 model). */
  grid?: readonly [number, number];
  /**
   * Draw each code from a window of this side around it; see {@link sampleWindowed}. Default: only if the condition is a
   * grid and both do not fit the model's block, with the largest window that fits. With `onToken`, codes are then drawn
   * one after another, which takes several times as many steps; `onStep` does not do that.
   */
  window?: number;
  /** Called after every step where codes are drawn from windows, as by {@link sampleWindowed}. */
  onStep?: (step: WindowStep) => void;
}

/**
 * Samples images `[B, C, H, W]` for an encoded condition, tokens `[B, N]` or vectors `[B, N, D]`: draws the rest of the code
 * grid and decodes it. Of several conditions, the tokens of all or a list of the tokens of each (`Several.encodeParts`).
 *
 * If there is a condition token for each code, the grid can be larger than the one the model was trained on: codes are
 * then drawn by {@link sampleWindowed}. Several conditions must be a list for that.
 *
 * @example
 * ```ts
 * const { model: net } = await openRun('runs/transformer', 'transformer');
 * const { indices: condition } = net.encodeToC(torch.zeros([4, 3, 64, 64])); // [4, 1] where it is unconditional
 * const images = sampleImages(net, condition, { grid: [16, 16], topK: 100 }); // [4, 3, H, W]
 * ```
 */
export function sampleImages(
  net: TwoStage,
  condition: GridCondition,
  { grid = [16, 16], window, onStep, ...options }: SampleImagesOptions = {},
): Tensor {
  return torch.noGrad(() =>
    torch.scope(() => {
      const given = options.prefix?.shape[1] ?? 0;
      const rest = grid[0] * grid[1] - given;
      if (rest < 0) {
        throw new RangeError(
          `sampleImages: the prefix of ${given} tokens is too long for a grid of ${grid[0]}×${grid[1]} codes: pass at most ${rest + given} tokens, or a larger grid.`,
        );
      }
      const area = grid[0] * grid[1];
      const joined = joinedTokens(condition);
      const parts = partsOf(condition);
      const spatial = parts.some((part) => isMapOf(grid, part) || (parts.length > 1 && part.ndim === 3));
      const fits = joined.shape[1]! + area - 1 <= net.transformer.blockSize;
      if (window !== undefined || (spatial && !fits && net.pkeep > 0)) {
        const { prefix, onToken, sampler, seeds } = options;
        const pick = sampler?.pick ?? options;
        const codes = sampleWindowed(net, onGrid(condition, grid), {
          ...pick,
          grid,
          seeds: seeds ?? null,
          ...(window !== undefined && { window }),
          ...(prefix && { completion: filled(prefix, grid), start: given }),
          ...(onStep && { onStep }),
          ...(onToken && { order: 'sequential', onStep: ({ step, tokens }) => onToken(step, tokens) }),
        });
        return net.decodeToImg(codes.flatten(1), grid);
      }
      return net.decodeToImg(sampleTokens(net, joined, rest, options), grid);
    }),
  );
}

/** Returns the grid `[B, h, w]` that begins with the prefix `[B, L]`, followed by zeros. */
function filled(prefix: Tensor, [height, width]: readonly [number, number]): Tensor {
  const rest = height * width - prefix.shape[1]!;
  return F.pad(prefix, [0, rest]).view([-1, height, width]);
}

/**
 * Samples images repeatedly from one model. Works like `sampleImages`, but keeps one {@link TokenSampler} per batch size
 * between calls. Call `dispose()` when done (or declare it with `using`).
 *
 * @example
 * ```ts
 * const { model: net } = await openRun('runs/transformer', 'transformer');
 * using sampler = new ImageSampler(net, { topK: 100 });
 * const { indices: condition } = net.encodeToC(torch.zeros([4, 3, 64, 64]));
 * const [some, others] = [1, 2].map(() => sampler.sample(condition, { grid: [16, 16] })); // [4, 3, H, W]
 * ```
 */
export class ImageSampler extends torch.InThread {
  readonly #net: TwoStage;
  readonly #pick: PickOptions & GuidanceOptions;
  readonly #samplers = new Map<number, TokenSampler>();

  /** @throws RangeError naming an invalid option, or if guidance is asked for and the model cannot be guided */
  constructor(net: TwoStage, pick: PickOptions & GuidanceOptions = {}) {
    super('a sampler', 'make one in each thread');
    checkFilterOptions(pick);
    checkGuidable(net, pick);
    this.#net = net;
    this.#pick = pick;
  }

  /** Samples images `[B, C, H, W]` for condition tokens `[B, N]`. */
  sample(
    condition: Tensor,
    options: Pick<SampleImagesOptions, 'grid' | 'prefix' | 'seeds' | 'onToken' | 'window' | 'onStep'> = {},
  ): Tensor {
    const [batch, conditions] = condition.shape as [number, number];
    const { pkeep, transformer } = this.#net;
    const given = conditions + (options.prefix?.shape[1] ?? 0);
    // Not used for models that draw all codes at once, or that draw codes within the unmasked prefix.
    const alone = pkeep <= 0 || transformer.nUnmasked > given;
    const how = alone ? this.#pick : { sampler: this.#samplerOf(batch) };
    return sampleImages(this.#net, condition, { ...options, ...how });
  }

  #samplerOf(batch: number): TokenSampler {
    const kept = this.#samplers.get(batch);
    if (kept) return kept;
    const made = new TokenSampler(this.#net.transformer, { batch, ...this.#pick });
    this.#samplers.set(batch, made);
    return made;
  }

  /** Frees the memory; the next call allocates it again. */
  dispose(): void {
    for (const sampler of this.#samplers.values()) sampler.dispose();
    this.#samplers.clear();
  }

  /** Frees the memory; called by `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

export interface ImageLog {
  inputs: Tensor;
  reconstructions: Tensor;
  /** Images with the first half of the codes given and the rest drawn. */
  samplesHalf: Tensor;
  /** Images with all codes drawn. */
  samplesNopix: Tensor;
  /** Images with all codes chosen by argmax. */
  samplesDet: Tensor;
}

/**
 * Returns the images of a training run's image grid: at most `count` (4) images of a batch and the model's samples for
 * them, all `[B, C, H, W]`. Draws with temperature 1 and top-k 100 by default.
 *
 * @example
 * ```ts
 * const { model: net } = await openRun('runs/transformer', 'transformer');
 * const images = torch.zeros([2, 3, 64, 64]);
 * const { samplesNopix } = logImages(net, images, images, { topK: 100 }); // [2, 3, 64, 64]
 * await saveImageGrid('samples.png', samplesNopix);
 * ```
 */
export function logImages(
  net: TwoStage,
  x: Tensor,
  c: ConditionInput,
  { count = 4, ...options }: SampleTokensOptions & { count?: number } = {},
): ImageLog {
  return torch.noGrad(() =>
    torch.scope(() => {
      const first = (t: Tensor) => t.narrow(0, 0, Math.min(count, t.shape[0]!));
      const inputs = first(x);
      const { quantized, indices } = net.encodeToZ(inputs);
      const condition = net.encodeToC(c instanceof torch.Tensor ? first(c) : c.map(first)).indices;
      const grid = quantized.shape.slice(-2) as [number, number];
      const draw = (given: number, more: SampleTokensOptions = {}) => {
        const prefix = given > 0 ? indices.narrow(1, 0, given) : null;
        return sampleImages(net, condition, { topK: 100, ...options, ...more, prefix, grid });
      };
      return {
        inputs,
        reconstructions: net.decodeToImg(indices, grid),
        samplesHalf: draw(Math.floor((grid[0] * grid[1]) / 2)),
        samplesNopix: draw(0),
        samplesDet: draw(0, { greedy: true }),
      };
    }),
  );
}
