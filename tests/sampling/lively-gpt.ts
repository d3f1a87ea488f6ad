import type { GPTConfig } from '../../src/models/priors/gpt-config.js';
import { GPT } from '../../src/models/priors/gpt.js';
import * as torch from '../../src/torch/index.js';

/** A GPT as if trained: positions, norms and biases matter, scores of keys differ, and so do those of tokens. */
export function livelyGpt(sizes: GPTConfig): GPT {
  torch.manualSeed(6);
  const gpt = new GPT(sizes).eval();
  torch.noGrad(() => {
    for (const parameter of gpt.parameters()) {
      if (parameter.ndim === 1) torch.scope(() => void parameter.add_(torch.randn(parameter.shape).mul(0.3)));
      else parameter.mul_(6);
    }
    torch.keep(gpt.posEmb.normal_());
  });
  return gpt;
}
