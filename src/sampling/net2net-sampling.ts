import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import { inEvaluation } from '../torch/nn/index.js';
import type { Net2NetTransformer } from '../models/two-stage.js';
import { checkFilterOptions, drawToken } from './filters.js';
import { checkRoom, codesOnly, generate } from './generate.js';
import type { GenerateOptions } from './generate.js';
import { checkPeaks } from './logits-error.js';
import type { TokenSampler } from './token-sampler.js';

export interface SampleTokensOptions extends Omit<GenerateOptions, 'embeddings'> {
  /** Image tokens already given, in reading order: `[B, L]`. Default none. */
  prefix?: Tensor | null;
  /**
   * Draws in place of `generate`, by its own options: made for `net.transformer` and so many rows. Worth it where the same
   * weights sample more than once, and on CUDA always.
   */
  sampler?: TokenSampler | null;
}

/**
 * Draws `steps` image tokens after the condition tokens `[B, N]` (and the `prefix`): the image tokens
 * `[B, L + steps]` in reading order, conditions stripped. A model with `pkeep` ≤ 0 has only ever seen random
 * image tokens, so it answers in one parallel pass over such tokens.
 *
 * Only ids that are codes of the first stage are drawn, also where the vocabulary holds more.
 * @throws RangeError for a condition that is no class of the model's, or what does not fit its block
 */
export function sampleTokens(
  net: Net2NetTransformer,
  condition: Tensor,
  steps: number,
  { prefix, sampler, ...options }: SampleTokensOptions = {},
): Tensor {
  return torch.noGrad(() =>
    torch.scope(() => {
      const given = prefix?.shape[1] ?? 0;
      if (!Number.isSafeInteger(steps) || steps < 0) {
        throw new RangeError(`sampleTokens: steps must be an integer from 0, got ${steps}.`);
      }
      net.condition.check?.(condition);
      if (net.pkeep <= 0) return sampleInOnePass(net, condition, given + steps, options);
      const start = prefix ? torch.cat([condition, prefix], 1) : condition;
      const { onToken } = options;
      const tokens = sampler
        ? sampler.sample(start, steps, { ...(onToken && { onToken }) })
        : generate(net.transformer, start, steps, options); // [B, N + L + steps]
      return tokens.narrow(1, condition.shape[1]!, given + steps).contiguous();
    }),
  );
}

function sampleInOnePass(
  net: Net2NetTransformer,
  condition: Tensor,
  count: number,
  { onToken: _onToken, cache: _cache, ...options }: GenerateOptions,
): Tensor {
  const gpt = net.transformer;
  const pick = codesOnly(gpt, options);
  checkFilterOptions(pick);
  const [batch, conditions] = condition.shape as [number, number];
  const { device } = condition;
  if (count === 0) return torch.empty([batch, 0], { dtype: 'int64', device });
  checkRoom('sampleTokens', conditions, count, gpt.blockSize);
  return inEvaluation(gpt, () => {
    const random = torch.randint(0, gpt.vocabSize, [batch, count - 1], {
      dtype: 'int64',
      device,
      ...(pick.generator ? { generator: pick.generator } : {}),
    });
    const logits = gpt.forward(torch.cat([condition, random], 1)); // [B, N + count − 1, V]
    const { token, peak } = drawToken(logits.narrow(1, conditions - 1, count), pick); // [B, count, 1]
    checkPeaks(peak.squeeze(-1), 'sampleTokens');
    return token.squeeze(-1); // [B, count]
  });
}

export interface SampleImagesOptions extends SampleTokensOptions {
  /** Code grid `[h, w]`; default: 16 × 16 (256 px for an f16 model). */
  grid?: readonly [number, number];
}

/**
 * Images `[B, C, H, W]` for condition tokens `[B, N]`: samples the rest of the code grid and decodes it.
 *
 * @example
 * ```ts
 * const { model: net } = await openRun('runs/transformer', 'transformer');
 * const { indices: condition } = net.encodeToC(torch.zeros([4, 3, 64, 64])); // [4, 1] where it is unconditional
 * const images = sampleImages(net, condition, { grid: [16, 16], topK: 100 }); // [4, 3, H, W]
 * ```
 */
export function sampleImages(
  net: Net2NetTransformer,
  condition: Tensor,
  { grid = [16, 16], ...options }: SampleImagesOptions = {},
): Tensor {
  return torch.noGrad(() =>
    torch.scope(() => {
      const given = options.prefix?.shape[1] ?? 0;
      const rest = grid[0] * grid[1] - given;
      if (rest < 0) {
        throw new RangeError(
          `sampleImages: the prefix of ${given} tokens is too long: a grid of ${grid[0]}×${grid[1]} codes holds ${rest + given}.`,
        );
      }
      const tokens = sampleTokens(net, condition, rest, options);
      return net.decodeToImg(tokens, grid);
    }),
  );
}

export interface ImageLog {
  inputs: Tensor;
  reconstructions: Tensor;
  /** First half of the codes given, the rest drawn. */
  samplesHalf: Tensor;
  /** All codes drawn. */
  samplesNopix: Tensor;
  /** All codes by arg-max. */
  samplesDet: Tensor;
}

/**
 * The picture grid of a training run: at most `count` (4) images of a batch beside what the model makes of them,
 * all `[B, C, H, W]`. Draws with temperature 1 and top-k 100 unless told otherwise.
 */
export function logImages(
  net: Net2NetTransformer,
  x: Tensor,
  c: Tensor,
  { count = 4, ...options }: SampleTokensOptions & { count?: number } = {},
): ImageLog {
  const pick = { topK: 100, ...options };
  return torch.noGrad(() =>
    torch.scope(() => {
      const rows = Math.min(count, x.shape[0]!);
      const inputs = x.narrow(0, 0, rows);
      const { quantized, indices } = net.encodeToZ(inputs);
      const condition = net.encodeToC(c.narrow(0, 0, Math.min(count, c.shape[0]!))).indices;
      const [height, width] = quantized.shape.slice(-2) as [number, number];
      const total = height * width;
      const half = Math.floor(total / 2);
      const draw = (given: number, more: SampleTokensOptions = {}) => {
        const prefix = given > 0 ? indices.narrow(1, 0, given) : null;
        return net.decodeToImg(sampleTokens(net, condition, total - given, { ...pick, ...more, prefix }), [
          height,
          width,
        ]);
      };
      return {
        inputs,
        reconstructions: net.decodeToImg(indices, [height, width]),
        samplesHalf: draw(half),
        samplesNopix: draw(0),
        samplesDet: draw(0, { greedy: true }),
      };
    }),
  );
}
