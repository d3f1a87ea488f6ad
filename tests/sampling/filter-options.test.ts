import test from 'ava';
import { filtersAmong, pickToken, tokenProbabilities } from '../../src/sampling/logits.js';
import type { FilterOptions } from '../../src/sampling/logits.js';
import * as torch from '../../src/torch/index.js';

const wrong: [FilterOptions, RegExp][] = [
  [
    { temperature: 0 },
    /temperature must be a positive number, got 0; to take the most likely tokens, pass greedy/,
  ],
  [{ temperature: -1 }, /temperature must be a positive number, got -1/],
  [{ temperature: NaN }, /temperature must be a positive number, got NaN/],
  [{ topK: 0 }, /topK must be a positive integer/],
  [{ topK: 1.5 }, /topK must be a positive integer/],
  [{ topP: 0 }, /topP must be a number in/],
  [{ topP: 2 }, /topP must be a number in/],
  [{ minP: -0.1 }, /minP must be a number in \[0, 1\]/],
  [{ minP: 1.1 }, /minP must be a number in \[0, 1\]/],
  [{ repetitionPenalty: 0 }, /repetitionPenalty must be a positive number, got 0/],
  [{ repetitionWindow: 1.5 }, /repetitionWindow must be a positive integer/],
  [{ nCodes: -3 }, /nCodes must be a positive integer/],
];

for (const [options, message] of wrong) {
  test(`a single token is not drawn by options that make no sense: ${Object.entries(options).join()}`, (t) => {
    const logits = torch.tensor([[1, 2, 3]]);
    for (const draw of [pickToken, tokenProbabilities]) {
      t.throws(() => draw(logits, options), { instanceOf: RangeError, message });
    }
  });
}

test('filters are found among other settings, in the order in which they act', (t) => {
  const settings = { n: 3, topP: 0.9, temperature: 0.7, seed: 1 };
  t.deepEqual(Object.entries(filtersAmong(settings)), [
    ['temperature', 0.7],
    ['topP', 0.9],
  ]);
});
