/** Draws all tokens at once, for models trained only on random tokens before the predicted one. */
import type { Prior } from '../../models/priors/prior.js';
import { inEvaluation } from '../../torch/nn/index.js';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import { checkPeaks } from '../logits-error.js';
import { checkFilterOptions, codesOnly, drawToken } from '../logits.js';
import type { PickOptions } from '../logits.js';
import { refuseGuidance, type GuidanceOptions } from '../guidance.js';
import { refuseLookingBack } from '../repetition.js';
import { checkRoom } from '../sampler.js';

/**
 * Draws `count` tokens after the embeddings and `given` `[B, N]` in one forward over random tokens: `[B, count]`.
 * @throws RangeError if they do not fit the block; LogitsError naming the token whose logits were NaN or infinite
 */
export function drawInOnePass(
  prior: Prior,
  given: Tensor,
  count: number,
  options: PickOptions & GuidanceOptions,
  embeddings: Tensor | null = null,
): Tensor {
  const pick = codesOnly(prior, options);
  checkFilterOptions(pick);
  refuseLookingBack('sampleTokens', pick);
  refuseGuidance('sampleTokens', pick);
  const [batch, tokens] = given.shape as [number, number];
  const before = tokens + (embeddings?.shape[1] ?? 0);
  const { device } = given;
  if (count === 0) return torch.empty([batch, 0], { dtype: 'int64', device });
  checkRoom('sampleTokens', before, count, prior.blockSize);
  return inEvaluation(prior, () => {
    const { generator } = pick;
    const how = { dtype: 'int64', device, ...(generator && { generator }) } as const;
    const random = torch.randint(0, prior.vocabSize, [batch, count - 1], how);
    const logits = prior.forward(torch.cat([given, random], 1), { embeddings }); // [B, N + count − 1, V]
    const { token, peak } = drawToken(logits.narrow(1, before - 1, count), pick); // [B, count, 1]
    checkPeaks(peak.squeeze(-1), 'sampleTokens');
    return token.squeeze(-1); // [B, count]
  });
}
