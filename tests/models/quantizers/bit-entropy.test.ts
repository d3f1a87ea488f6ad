/** Entropies of codes of bits, against the softmax over all codes. */
import test from 'ava';
import {
  codeProbabilities,
  entropyOf,
  meanBitEntropy,
  meanEntropy,
  meanProbabilities,
} from '../../../src/models/quantizers/bit-entropy.js';
import * as torch from '../../../src/torch/index.js';
import type { Tensor } from '../../../src/torch/index.js';

/** Probabilities of all codes ±1 of d bits, by the softmax over the dot products. */
function direct(logits: Tensor): Tensor {
  const bits = logits.shape[1]!;
  const codes = Array.from({ length: 2 ** bits }, (_, k) =>
    Array.from({ length: bits }, (_, i) => ((k >> (bits - 1 - i)) & 1) * 2 - 1),
  );
  return logits
    .div(2)
    .matmul(torch.tensor(codes, { dtype: 'float64' }).t())
    .softmax(-1);
}

const log = (p: Tensor) => p.clamp({ min: 1e-3 }).log();
const near = (a: Tensor, b: Tensor) => torch.allclose(a, b, { rtol: 1e-10, atol: 1e-12 });

for (const bits of [1, 2, 5])
  test(`${bits} bits: as by the softmax over all codes, also in chunks of tokens, with the same gradient`, (t) => {
    torch.manualSeed(bits);
    const logits = torch.randn([7, bits], { dtype: 'float64' }).mul(4);
    t.true(near(codeProbabilities(logits), direct(logits)));
    t.true(near(meanProbabilities(logits), direct(logits).mean(0)));
    t.true(near(meanBitEntropy(logits), entropyOf(direct(logits), (p) => p.log()).mean()));
    const withGradient = (of: (x: Tensor) => Tensor): [Tensor, Tensor] => {
      const x = logits.clone().requiresGrad_();
      const value = of(x);
      return [value, torch.grad([value], [x])[0]!];
    };
    const [value, gradient] = withGradient((x) => entropyOf(direct(x), log).mean());
    for (const chunk of [1, 2 * 2 ** bits, 100 * 2 ** bits]) {
      const [ours, theirs] = withGradient((x) => meanEntropy(x, log, chunk));
      t.true(near(ours, value), `chunks of ${chunk}`);
      t.true(near(theirs, gradient), `gradient in chunks of ${chunk}`);
    }
  });
