/** The losses of LFQ: the entropy of each token, that of their mean, and the commitment. */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as F from '../../torch/nn/functional.js';
import type { QuantizedByTerms } from '../encoded.js';
import { entropyOf, meanBitEntropy, meanEntropy } from './bit-entropy.js';
import type { LFQSettings } from './lfq-settings.js';

/** Most bits over whose codes entropies are computed as a whole, unless set otherwise. */
const WHOLE = 20;
/** Bits of a group otherwise. */
const GROUP = 9;

/** Settings, and what else the losses depend on. */
export type LFQLossSettings = LFQSettings & {
  /** Absolute value of the channels of codes. */
  size: number;
  training: boolean;
  /** Returns the mean probabilities of all codes from log-odds of bits, [N, d]: [2^d]. */
  meanOf(this: void, logits: Tensor): Tensor;
};

/** Returns loss and terms for latents and their codes, both [B, h, w, Q, d]; all 0 in evaluation. */
export function lfqLosses(
  points: Tensor,
  codes: Tensor,
  settings: LFQLossSettings,
): Required<Pick<QuantizedByTerms, 'loss' | 'losses'>> {
  const published = settings.bitOrder === 'mostSignificantFirst' ? lucidrains : openMagvit2;
  if (settings.training) return published(points, codes, settings);
  const zero = torch.zeros([], { dtype: points.dtype, device: points.device });
  const mean = published === lucidrains ? 'batchEntropy' : 'codebookEntropy';
  return { loss: zero, losses: { perSampleEntropy: zero, [mean]: zero, commitment: zero } };
}

/** The losses of lucidrains' LFQ; logarithms are those of at least 1e-5. */
function lucidrains(points: Tensor, codes: Tensor, settings: LFQLossSettings) {
  const { invTemperature, size, commitmentLossWeight, diversityGamma, entropyLossWeight } = settings;
  const log = (p: Tensor): Tensor => p.clamp({ min: 1e-5 }).log();
  const bits = points.mul(4 * invTemperature * size);
  const perSampleEntropy = inGroups(bits, settings, (logits) => meanEntropy(logits, log));
  const batchEntropy = inGroups(bits, settings, (logits) => entropyOf(settings.meanOf(logits), log));
  const commitment =
    commitmentLossWeight > 0 ? F.mseLoss(points, codes) : torch.zerosLike(perSampleEntropy).detach();
  const entropies = perSampleEntropy.sub(batchEntropy.mul(diversityGamma));
  const shaped = settings.experimentalSoftplusEntropyLoss
    ? entropies.add(settings.entropyLossOffset).softplus()
    : entropies;
  const loss = shaped.mul(entropyLossWeight).add(commitment.mul(commitmentLossWeight));
  return { loss, losses: { perSampleEntropy, batchEntropy, commitment } };
}

/** The losses of Open-MAGVIT2, whose temperature is 0.01; the commitment is not part of the loss. */
function openMagvit2(points: Tensor, codes: Tensor, settings: LFQLossSettings) {
  const { size, sampleMinimizationWeight, batchMaximizationWeight } = settings;
  const log = (p: Tensor): Tensor => p.add(1e-5).log();
  const bits = points.mul(400 * size);
  const perSampleEntropy = inGroups(bits, settings, meanBitEntropy);
  const codebookEntropy = inGroups(bits, settings, (logits) => entropyOf(settings.meanOf(logits), log));
  const loss = perSampleEntropy
    .mul(sampleMinimizationWeight)
    .sub(codebookEntropy.mul(batchMaximizationWeight));
  return { loss, losses: { perSampleEntropy, codebookEntropy, commitment: F.mseLoss(points, codes) } };
}

/** Adds up an entropy of log-odds [N, bits] over groups of bits, and returns its mean over codebooks. */
function inGroups(
  bits: Tensor,
  { entropyGroupSize }: LFQLossSettings,
  of: (logits: Tensor) => Tensor,
): Tensor {
  const count = bits.shape.at(-1)!;
  const size = entropyGroupSize ?? (count > WHOLE ? GROUP : count);
  const codebooks = bits.flatten(0, 2).unbind(1); // Q of [N, d]
  const sums = codebooks.map((one) => torch.stack(one.split(size, -1).map(of)).sum());
  return torch.stack(sums).mean();
}
