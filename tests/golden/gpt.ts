/** Checks of the GPT against the reference data. Weights are arguments, so that `tests/long/golden.ts` can perturb them. */
import * as torch from '../../src/torch/index.js';
import * as F from '../../src/torch/nn/functional.js';
import { GPT } from '../../src/models/priors/gpt.js';
import { filterLogits, tokenProbabilities } from '../../src/sampling/logits.js';
import { generate } from '../../src/sampling/sampler.js';
import { decayGroups } from '../../src/training/stages/transformer/step.js';
import type { Check, Weights } from './data.js';
import { bounds, compare, compareExact, deviceOf, goldenConfig, need } from './data.js';

const golden = goldenConfig();

/** The golden GPT with the given weights, on the device they are on. */
export function makeGpt(weights: Weights, dtype: 'float32' | 'float64' = 'float64', nUnmasked = 0): GPT {
  const { vocab_size, block_size, n_layer, n_head, n_embd } = golden.config.gpt;
  const gpt = new GPT({
    vocabSize: vocab_size,
    blockSize: block_size,
    nLayer: n_layer,
    nHead: n_head,
    nEmbd: n_embd,
    nUnmasked,
  });
  // The stored masks are the plain causal ones.
  const masks = nUnmasked > 0 ? [...gpt.stateDict()].filter(([key]) => key.endsWith('.mask')) : [];
  gpt.loadStateDict(new Map([...weights, ...masks]));
  return gpt.to(dtype).to(deviceOf(weights)).eval();
}

/** Logits, loss, gradients, prepended embeddings and float32 logits. `io` is `gpt-io`. */
export function checkGptForward(weights: Weights, io: Weights): Check[] {
  const gpt = makeGpt(weights);
  const half = makeGpt(weights, 'float32');
  return torch.scope(() => {
    const idx = need(io, 'idx');
    const length = idx.shape[1]!;
    const input = idx.narrow(1, 0, length - 1);
    const logits = gpt.forward(input);
    const loss = F.crossEntropy(
      logits.reshape([-1, logits.shape[2]!]),
      idx.narrow(1, 1, length - 1).reshape([-1]),
    );
    loss.backward();
    const gradients = new Map(gpt.namedParameters().map(([name, { grad }]) => [name, grad]));
    const checks = [
      compare('logits', logits, need(io, 'logits'), bounds.float64),
      compare('loss', loss, need(io, 'loss'), bounds.float64),
      compare(
        'logitsFloat32',
        torch.noGrad(() => half.forward(input)),
        need(io, 'logitsFloat32'),
        bounds.float32,
      ),
      compare(
        'logitsWithEmbeddings',
        gpt.forward(idx.narrow(1, 0, 8), { embeddings: need(io, 'embeddings') }),
        need(io, 'logitsWithEmbeddings'),
        bounds.float64,
      ),
    ];
    for (const [key, expected] of io) {
      if (!key.startsWith('grad.')) continue;
      const gradient = gradients.get(key.slice('grad.'.length));
      if (!gradient) throw new Error(`the GPT has no gradient for ${key}`);
      checks.push(compare(key, gradient, expected, bounds.float64));
    }
    return checks;
  });
}

/** The arg-max continuation to the full block, with and without the cache. */
export function checkGptGreedy(weights: Weights, io: Weights): Check[] {
  const gpt = makeGpt(weights);
  return torch.scope(() => {
    const start = need(io, 'greedyStart');
    const expected = need(io, 'greedy');
    const steps = expected.shape[1]! - start.shape[1]!;
    return [true, false].map((cache) =>
      compareExact(
        `greedy ${cache ? 'with' : 'without'} cache`,
        generate(gpt, start, steps, { greedy: true, cache }),
        expected,
      ),
    );
  });
}

/** Top-k with a tie, and the probabilities after temperature 0.8; no weights are involved. */
export function checkTopK(io: Weights): Check[] {
  return torch.scope(() => {
    const logits = need(io, 'topK.logits');
    const expected = need(io, 'topK.probs');
    return [
      compare(
        'topK.probs',
        tokenProbabilities(logits, { topK: 5, temperature: 0.8 }),
        expected,
        bounds.float64,
      ),
      compareExact('topK kept', filterLogits(logits, { topK: 5 }).gt(-Infinity), expected.gt(0)),
    ];
  });
}

/** Names of the parameters by weight decay, as the reference's optimizer groups them. */
export function goldenDecayGroups(weights: Weights): { actual: string[][]; expected: string[][] } {
  const { decay, noDecay } = decayGroups(makeGpt(weights));
  const names = (group: [string, unknown][]) => group.map(([name]) => name);
  return {
    actual: [names(decay), names(noDecay)],
    expected: [golden.adamwDecay, golden.adamwNoDecay],
  };
}

/**
 * The checks that notice 1% in any one weight, the key bias excepted (it shifts all scores of a query alike, which a
 * softmax does not see). The greedy tokens add nothing to them.
 */
export function checkGpt(weights: Weights, io: Weights): Check[] {
  return checkGptForward(weights, io);
}
