import test from 'ava';
import { codebookUse, countCodesOf, histogramEntropy } from '../../src/metrics/codebook-use.js';
import { countModelCrossEntropy } from '../../src/metrics/count-model.js';
import { meanColourBlocks } from '../../src/metrics/mean-colour.js';
import * as torch from '../../src/torch/index.js';
import { equals, input } from './golden.js';

test('perplexity counts equally frequent codes', (t) => {
  const even = codebookUse(countCodesOf([0, 1, 2, 3, 0, 1, 2, 3], 16));
  t.is(even.used, 4);
  t.true(Math.abs(even.perplexity - 4) < 1e-12);
  t.true(Math.abs(histogramEntropy(countCodesOf([0n, 0n, 0n, 1n], 2)) - 0.5623351446188083) < 1e-12);
  t.throws(() => countCodesOf([16], 16), { message: /code 16 is out of range for a codebook of 16/ });
});

test('the use of a codebook, as recorded', (t) => {
  const use = codebookUse(input('codes.indices'), 32);
  for (const [name, key] of [
    ['used', 'codes.used'],
    ['share', 'codes.usage'],
    ['perplexity', 'codes.perplexityExact'],
    ['entropyBits', 'codes.entropyBits'],
  ] as const) {
    equals(t, use[name], key);
  }
  t.deepEqual(codebookUse([0, 1, 1, 0], 4), codebookUse(countCodesOf([0, 1, 1, 0], 4)));
});

/** Reproducible integers below `size`. */
function stream(size: number): () => number {
  let state = 7;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * size);
  };
}

test('the count model is a distribution: no worse than uniform on noise, and sees both neighbours', (t) => {
  const options = { size: 4, width: 8 };
  const next = stream(4);
  const noise = Array.from({ length: 60 }, () => Array.from({ length: 64 }, next));
  const entropy = countModelCrossEntropy(noise.slice(0, 50), noise.slice(50), options);
  t.true(entropy > Math.log(4) - 0.03 && entropy < Math.log(4) + 0.05, String(entropy));

  // Each code is the sum of its neighbours: certain for who sees both, noise for who sees one.
  const sums = Array.from({ length: 60 }, () => {
    const grid: number[] = [];
    for (let i = 0; i < 64; i++) {
      const border = i % 8 === 0 || i < 8;
      grid.push(border ? next() : (grid[i - 1]! + grid[i - 8]!) % 4);
    }
    return grid;
  });
  const structured = countModelCrossEntropy(sums.slice(0, 50), sums.slice(50), options);
  const certain = (15 / 64) * Math.log(4);
  t.true(structured < certain + 0.05, `${structured} against ${certain}`);
});

test('probabilities of the count model sum to one', (t) => {
  const next = stream(3);
  const train = Array.from({ length: 20 }, () => Array.from({ length: 4 }, next));
  // One held-out grid for each last code: its probability is the difference that it makes.
  const options = { size: 3, width: 2 };
  const entropy = (grid: number[]) => countModelCrossEntropy(train, [grid], options) * grid.length;
  const shared = entropy([0, 1, 2]);
  const total = [0, 1, 2].reduce((sum, code) => sum + Math.exp(shared - entropy([0, 1, 2, code])), 0);
  t.true(Math.abs(total - 1) < 1e-9, String(total));
});

test('blocks of mean colours', (t) => {
  const images = torch.arange(16).reshape([1, 1, 4, 4]);
  t.deepEqual(meanColourBlocks(images, 2).tolist(), [
    [
      [
        [2.5, 2.5, 4.5, 4.5],
        [2.5, 2.5, 4.5, 4.5],
        [10.5, 10.5, 12.5, 12.5],
        [10.5, 10.5, 12.5, 12.5],
      ],
    ],
  ]);
  t.throws(() => meanColourBlocks(images, 3), { message: /multiples of 3/ });
});
