/**
 * Entropies of codes whose bits are independent, which the softmax over all codes ±1 makes them: the probability of a code
 * is the product of its bits'. Nothing here holds the probabilities of all codes for all tokens, [N, 2^d], at once.
 */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import { bitsOfIndex, bitWeights, signsOf } from './bits.js';

/** Most probabilities that one chunk of tokens has, 16 MB in float32. */
const CHUNK = 2 ** 22;

/** Most bits over whose codes an entropy is computed: the mean over tokens has a probability for each code. */
export const MOST_ENTROPY_BITS = 24;

/** The logarithm that an entropy takes of probabilities, kept finite at 0. */
export type FiniteLog = (p: Tensor) => Tensor;

/** Returns the probabilities of all codes of d bits for each token [N, 2^d]; the first bit counts the most. */
export function codeProbabilities(logits: Tensor): Tensor {
  const [left, right] = halves(logits);
  return jointly(left, right);
}

/**
 * Returns the mean over tokens of the probabilities of all codes, [2^d]: the product of two matrices of the codes of half
 * the bits.
 *
 * @param logits log-odds of each bit, [N, d]
 */
export function meanProbabilities(logits: Tensor): Tensor {
  const [left, right] = halves(logits); // [N, 2^a], [N, 2^(d−a)]
  return left.t().matmul(right).div(logits.shape[0]!).flatten();
}

/**
 * Returns the mean of `own` over all processes, whose gradient is that of this process's share: an optimizer that averages
 * gradients then has those of the joint batch.
 */
export function meanOverProcesses(own: Tensor): Tensor {
  if (torch.distributed.worldSize() === 1) return own;
  const joint = torch.noGrad(() => own.detach().clone());
  torch.distributed.allReduceCoalesced([joint], { op: 'avg' });
  return own.add(joint.sub(own.detach()));
}

/** Returns −Σ p·log p over the last dimension. */
export function entropyOf(probabilities: Tensor, log: FiniteLog): Tensor {
  return probabilities.mul(log(probabilities)).sum([-1]).neg();
}

/**
 * Returns the mean over tokens of the entropy over all codes, a scalar, from the log-odds of each bit, [N, d]. Tokens are
 * taken in chunks, which are computed again for the gradient.
 *
 * @param chunk most probabilities at once. Default 2^22
 */
export function meanEntropy(logits: Tensor, log: FiniteLog, chunk = CHUNK): Tensor {
  const [tokens, bits] = logits.shape as [number, number];
  const size = Math.max(1, Math.floor(chunk / 2 ** bits));
  const sumOf = (part: Tensor): Tensor => torch.scope(() => entropyOf(codeProbabilities(part), log).sum());
  if (size >= tokens) return sumOf(logits).div(tokens);
  const sums = logits.split(size).map((part) => torch.checkpoint(sumOf, [part], []));
  return torch.stack(sums).sum().div(tokens);
}

/** Returns the mean over tokens of the exact entropy, the sum of the bits' own, from their log-odds [N, d]. */
export function meanBitEntropy(logits: Tensor): Tensor {
  const p = logits.sigmoid();
  const bits = p.mul(logits.neg().softplus()).add(p.neg().add(1).mul(logits.softplus()));
  return bits.sum([-1]).mean();
}

/** Returns the probabilities of the codes of the first and of the last bits, [N, 2^a] and [N, 2^(d−a)]. */
function halves(logits: Tensor): [Tensor, Tensor] {
  const bits = logits.shape[1]!;
  const first = Math.ceil(bits / 2);
  return [softmaxOf(logits.narrow(1, 0, first)), softmaxOf(logits.narrow(1, first, bits - first))];
}

/** Returns the softmax over all codes of a few bits, [N, 2^d]. */
function softmaxOf(logits: Tensor): Tensor {
  const bits = logits.shape[1]!;
  const all = torch.arange(2 ** bits, { dtype: 'int64', device: logits.device });
  const codes = signsOf(bitsOfIndex(all, bitWeights(bits).to(logits.device)), logits.dtype); // [2^d, d]
  return logits.mul(0.5).matmul(codes.t()).softmax(-1);
}

const jointly = (left: Tensor, right: Tensor): Tensor => left.unsqueeze(2).mul(right.unsqueeze(1)).flatten(1);
