/** Entropies of the choice of codes. */
import type { Tensor } from '../../torch/index.js';

/** Entropies in nats, scalars. */
export interface CodeEntropy {
  /** Mean entropy of the choice for one latent: small if choices are certain. */
  sample: Tensor;
  /** Entropy of the mean choice: large if all codes are used. */
  average: Tensor;
}

/** Returns the entropies of softmax(`logits`), [N, K]. The logarithm of the mean choice is that of p + 1e-5. */
export function codeEntropy(logits: Tensor): CodeEntropy {
  const logs = logits.logSoftmax(-1);
  const choice = logs.exp();
  const mean = choice.mean([0]); // [K]
  return {
    sample: choice.mul(logs).sum([-1]).mean().neg(),
    average: mean.mul(mean.add(1e-5).log()).sum().neg(),
  };
}
