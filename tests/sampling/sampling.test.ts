import test from 'ava';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import { GPT } from '../../src/models/priors/gpt.js';
import { filterLogits, pickToken, tokenProbabilities, topPLogits } from '../../src/sampling/logits.js';
import { generate } from '../../src/sampling/sampler.js';
import { goldenTensors, relativeError, values } from '../golden/data.js';
import { makeGpt } from '../golden/gpt.js';
import { net2netFixture } from '../golden/net2net.js';

const weights = await goldenTensors('gpt-weights');
const io = await goldenTensors('gpt-io');
const fixture = await net2netFixture();

const some = (rows: number[]) =>
  torch.indexSelect(fixture('filter.logits'), 0, torch.tensor(rows.map(BigInt)));

test('temperature, top-k and top-p give the committed probabilities', (t) => {
  const settings = {
    k5: { topK: 5 },
    p80: { topP: 0.8 },
    t70k10p90: { temperature: 0.7, topK: 10, topP: 0.9 },
  };
  for (const [name, options] of Object.entries(settings)) {
    const rows = name === 'k5' ? [0, 1, 2, 3, 4, 5] : [0, 2, 3, 4, 5];
    const probabilities = tokenProbabilities(some(rows), options);
    const expected = fixture(`filter.${name}`);
    t.deepEqual(probabilities.gt(0).tolist(), expected.gt(0).tolist(), name);
    t.true(relativeError(values(probabilities), values(expected)) < 1e-12, name);
  }
});

test('top-p keeps at least the most likely token, and all at 1', (t) => {
  const logits = torch.tensor([[3, 1, 2, 0]]);
  t.deepEqual(topPLogits(logits, 1e-6).tolist(), [[3, -Infinity, -Infinity, -Infinity]]);
  t.deepEqual(topPLogits(logits, 1).tolist(), logits.tolist());
});

test('filters work on half precision in float32', (t) => {
  const logits = some([0]).to('bfloat16');
  t.is(filterLogits(logits, { topK: 3 }).dtype, 'float32');
  t.is(filterLogits(logits, { topK: 100 }).gt(-Infinity).sum().item(), 48);
});

test('draws follow the probabilities', (t) => {
  const logits = torch.tensor([[Math.log(0.5), Math.log(0.3), Math.log(0.2), -Infinity]]).expand([20000, 4]);
  const generator = new torch.Generator().manualSeed(3);
  const tokens = pickToken(logits, { generator });
  t.deepEqual(tokens.shape, [20000, 1]);
  const shares = (torch.bincount(tokens.flatten(), { minlength: 4 }).tolist() as number[]).map(
    (n) => n / 20000,
  );
  for (const [i, p] of [0.5, 0.3, 0.2, 0].entries()) t.true(Math.abs(shares[i]! - p) < 0.015, `token ${i}`);
  t.is(shares[3], 0);
});

test('options that make no sense are named', (t) => {
  const gpt = new GPT({ vocabSize: 5, blockSize: 4, nLayer: 1, nHead: 1, nEmbd: 4 });
  const start = torch.zeros([1, 1], { dtype: 'int64' });
  const run =
    (options: object, steps = 2) =>
    () =>
      generate(gpt, start, steps, options);
  t.throws(run({ temperature: 0 }), { instanceOf: RangeError, message: /greedy/ });
  t.throws(run({ topK: 0 }), { instanceOf: RangeError, message: /topK/ });
  t.throws(run({ topP: 1.5 }), { instanceOf: RangeError, message: /topP/ });
  t.throws(run({}, 5), { instanceOf: RangeError, message: /at most 4 tokens/ });
  t.throws(run({}, -1), { instanceOf: RangeError, message: /steps/ });
  t.throws(() => generate(gpt, torch.zeros([1, 0], { dtype: 'int64' }), 2), {
    message: /nothing to continue/,
  });
  t.deepEqual(generate(gpt, start, 4, { topK: 2 }).shape, [1, 5]);
  t.deepEqual(generate(gpt, start, 0).tolist(), [[0]]);
});

test('the cache changes nothing after embeddings', (t) => {
  const gpt = makeGpt(weights);
  const embeddings = io.get('embeddings')!;
  const start = io.get('idx')!.narrow(1, 0, 3);
  const run = (cache: boolean, prefix: Tensor = start) =>
    generate(gpt, prefix, 20, { embeddings, greedy: true, cache }).tolist();
  t.deepEqual(run(true), run(false));
  const none = torch.zeros([2, 0], { dtype: 'int64' });
  t.deepEqual(run(true, none), run(false, none));
});

test('the cache changes nothing with an unmasked prefix, given in part or whole', (t) => {
  const gpt = makeGpt(weights, 'float64', 6);
  const tokens = fixture('unmasked.tokens');
  for (const length of [3, 8]) {
    for (const cache of [true, false]) {
      const continued = generate(gpt, tokens.narrow(1, 0, length), 12, { greedy: true, cache });
      t.deepEqual(continued.tolist(), fixture(`unmasked.greedy${length}`).tolist());
    }
  }
});

test('sampling leaves no tensors, restores training mode and reports every token', (t) => {
  const gpt = new GPT({ vocabSize: 5, blockSize: 8, nLayer: 2, nHead: 1, nEmbd: 4, residPdrop: 0.5 });
  const start = torch.zeros([2, 1], { dtype: 'int64' });
  const before = torch.memory().tensors;
  const seen: number[][] = [];
  const tokens = generate(gpt, start, 7, {
    onToken: (step, next) => seen.push([step, ...(next.flatten().tolist() as number[])]),
  });
  t.is(torch.memory().tensors, before + 1);
  t.true(gpt.training);
  t.false(tokens.requiresGrad);
  const rows = torch.scope(() => tokens.tolist()) as number[][];
  t.deepEqual(
    seen,
    Array.from({ length: 7 }, (_, step) => [step, rows[0]![step + 1]!, rows[1]![step + 1]!]),
  );
  t.throws(
    () =>
      generate(gpt, start, 3, {
        onToken: () => {
          throw new Error('stop');
        },
      }),
    { message: 'stop' },
  );
  t.is(torch.memory().tensors, before + 1);
  t.true(gpt.training);
});
