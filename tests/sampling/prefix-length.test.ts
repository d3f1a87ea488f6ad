import test from 'ava';
import { GPT } from '../../src/models/priors/gpt.js';
import { generate, TokenSampler } from '../../src/sampling/sampler.js';
import { sampleImages, sampleTokens } from '../../src/sampling/images.js';
import * as torch from '../../src/torch/index.js';
import { classNet } from './first-stages.js';

const gpt = new GPT({ vocabSize: 5, blockSize: 8, nLayer: 1, nHead: 1, nEmbd: 4 });
const tokens = (length: number) => torch.zeros([1, length], { dtype: 'int64' });
const vectors = (count: number) => torch.zeros([1, count, 4]);
const net = classNet('VQModel');
const atOnce = classNet('VQModel', { pkeep: 0 });

const sampled = (length: number, steps: number, capacity = 8) => {
  using sampler = new TokenSampler(gpt, { batch: 1, capacity });
  return sampler.sample(tokens(length), steps);
};

const attempts: Record<string, [() => unknown, RegExp]> = {
  generate: [
    () => generate(gpt, tokens(12), 3),
    /takes 12 positions, but there is room for 8: shorten it by 4/,
  ],
  'generate, one token more than fits': [() => generate(gpt, tokens(9), 1), /shorten it by 1/],
  'generate without steps': [() => generate(gpt, tokens(9), 0), /shorten it by 1/],
  'generate after embeddings': [
    () => generate(gpt, tokens(3), 2, { embeddings: vectors(6) }),
    /takes 9 positions, .* shorten it by 1/,
  ],
  TokenSampler: [() => sampled(12, 3), /shorten it by 4/],
  'TokenSampler of less room': [() => sampled(6, 3, 5), /there is room for 5: shorten it by 1/],
  sampleTokens: [() => sampleTokens(net, tokens(1), 3, { prefix: tokens(20) }), /shorten it by 5/],
  'sampleTokens at once': [() => sampleTokens(atOnce, tokens(20), 3), /shorten it by 4/],
  'sampleImages, more than the grid': [
    () => sampleImages(net, tokens(1), { grid: [2, 2], prefix: tokens(7) }),
    /the prefix of 7 tokens is too long for a grid of 2×2 codes: pass at most 4/,
  ],
  'sampleImages at once, more than the grid': [
    () => sampleImages(atOnce, tokens(1), { grid: [2, 2], prefix: tokens(7) }),
    /prefix of 7 tokens is too long/,
  ],
};

for (const [what, [attempt, message]] of Object.entries(attempts)) {
  test(`a prefix that is too long is called so: ${what}`, (t) => {
    const error = t.throws(attempt, { instanceOf: RangeError, message });
    t.notRegex(error.message, /at most (-|0)/);
  });
}

test('where the prefix fits, the number of tokens there is room for is named', (t) => {
  for (const [length, room] of [
    [1, 8],
    [7, 2],
    [8, 1],
  ] as const) {
    t.deepEqual(generate(gpt, tokens(length), room).shape, [1, length + room]);
    const message = new RegExp(`ask for at most ${room} tokens`);
    t.throws(() => generate(gpt, tokens(length), room + 1), { instanceOf: RangeError, message });
    t.throws(() => sampled(length, room + 1), { instanceOf: RangeError, message });
  }
});
