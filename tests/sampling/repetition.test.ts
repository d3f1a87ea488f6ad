/** Min-p and the repetition penalty, against values computed by hand. */
import test from 'ava';
import { minPLogits, tokenProbabilities, drawToken } from '../../src/sampling/logits.js';
import { repetitionLogits, seenIds } from '../../src/sampling/repetition.js';
import { generate, TokenSampler } from '../../src/sampling/sampler.js';
import { sampleTokens } from '../../src/sampling/images.js';
import type { WindowStep } from '../../src/sampling/orders/window.js';
import { sampleWindowed, type SampleWindowedOptions } from '../../src/sampling/windows.js';
import * as torch from '../../src/torch/index.js';
import { livelyGpt } from './lively-gpt.js';
import { classNet } from './first-stages.js';

const float64 = { dtype: 'float64' } as const;
const logarithms = (...shares: number[]) => torch.tensor([shares.map(Math.log)], float64);

test('min-p keeps the tokens with at least a share of the largest probability', (t) => {
  const logits = logarithms(0.5, 0.25, 0.125, 0.0625, 0.0625); // shares of the largest: 1, 1/2, 1/4, 1/8, 1/8
  for (const [minP, kept] of [
    [0, 5],
    [0.1, 5],
    [0.2, 3],
    [0.3, 2],
    [0.6, 1],
    [1, 1],
  ] as const) {
    const probabilities = tokenProbabilities(logits, { minP }).tolist() as number[][];
    const total = [0.5, 0.25, 0.125, 0.0625, 0.0625].slice(0, kept).reduce((sum, p) => sum + p, 0);
    t.deepEqual(
      probabilities[0]!.map((p) => Math.round(p * 1e12)),
      [0.5, 0.25, 0.125, 0.0625, 0.0625].map((p, i) => (i < kept ? Math.round((p / total) * 1e12) : 0)),
      `min-p ${minP}`,
    );
  }
  t.deepEqual(minPLogits(torch.tensor([[2, 1, 2]]), 1).tolist(), [[2, -Infinity, 2]], 'ties stay');
});

test('min-p acts on the probabilities after the temperature', (t) => {
  // Squares of 1/2, 1/4, 1/4: a quarter of the largest each.
  const kept = (temperature: number) =>
    tokenProbabilities(logarithms(0.5, 0.25, 0.25), { temperature, minP: 0.4 })
      .gt(0)
      .tolist();
  t.deepEqual(kept(1), [[true, true, true]]);
  t.deepEqual(kept(0.5), [[true, false, false]]);
});

test('the penalty divides positive logits of seen ids and multiplies negative ones', (t) => {
  const logits = torch.tensor([[4, -4, 2, -2, 0]]);
  const seen = torch.tensor([[1, 1, 0, 0, 1]]).bool();
  t.deepEqual(repetitionLogits(logits, seen, 2).tolist(), [[2, -8, 2, -2, 0]]);
  t.deepEqual(repetitionLogits(logits, seen, 0.5).tolist(), [[8, -2, 2, -2, 0]]);
});

test('the penalty also acts on greedy draws, before the temperature, and not without seen ids', (t) => {
  const logits = torch.tensor([[4, 3, 1]]);
  const seen = torch.tensor([[1, 0, 0]]).bool();
  const token = (seenIds: torch.Tensor | null) =>
    drawToken(logits, { greedy: true, repetitionPenalty: 2 }, null, seenIds).token.item();
  t.is(token(seen), 1);
  t.is(token(null), 0);
});

test('seen ids are those of the image before the token, in the window', (t) => {
  const tokens = torch.tensor([
    [5n, 1n, 2n, 1n, 0n, 0n],
    [5n, 3n, 3n, 4n, 0n, 0n],
  ]);
  const one = (value: number) => torch.tensor([BigInt(value)]);
  const ids = (first: number, at: number, window: number | null = null) =>
    (seenIds(tokens, { first: one(first), at: one(at), window, vocabulary: 6 }).tolist() as boolean[][]).map(
      (row) => row.flatMap((seen, id) => (seen ? [id] : [])),
    );
  t.deepEqual(ids(1, 4), [
    [1, 2],
    [3, 4],
  ]);
  t.deepEqual(ids(0, 2), [
    [1, 5],
    [3, 5],
  ]);
  t.deepEqual(ids(1, 4, 1), [[1], [4]]);
  t.deepEqual(ids(1, 1), [[], []], 'the condition does not count');
});

const gpt = livelyGpt({ vocabSize: 7, blockSize: 16, nLayer: 1, nHead: 1, nEmbd: 8 }).double();
const prefix = torch.tensor([[0n], [3n]]);

test('a high penalty draws each id once before any repeats, in all engines alike', (t) => {
  const pick = { greedy: true, repetitionPenalty: 1e9 } as const;
  const rows = generate(gpt, prefix, 7, pick).narrow(1, 1, 7).tolist() as number[][];
  // Logits that are all negative grow by the factor: unseen ids are preferred throughout.
  for (const row of rows) t.is(new Set(row).size, 7, row.join());
  t.notDeepEqual(rows, generate(gpt, prefix, 7, { greedy: true }).narrow(1, 1, 7).tolist());
});

for (const window of [null, 2]) {
  test(`tokens are equal with and without a cache, and by a sampler: window ${window}`, (t) => {
    const drawn = (cache: boolean) => {
      const generator = new torch.Generator().manualSeed(4);
      const pick = { repetitionPenalty: 3, repetitionWindow: window, generator, cache };
      return generate(gpt, prefix, 12, pick).tolist();
    };
    const generator = new torch.Generator().manualSeed(4);
    using sampler = new TokenSampler(gpt, {
      batch: 2,
      bucket: 5,
      repetitionPenalty: 3,
      repetitionWindow: window,
      generator,
    });
    t.deepEqual(drawn(true), drawn(false));
    t.deepEqual(sampler.sample(prefix, 12).tolist(), drawn(true));
    generator.manualSeed(4);
    t.deepEqual(sampler.sample(prefix, 12).tolist(), drawn(true), 'earlier sequences do not count');
  });
}

test('what does not draw one token after another refuses the penalty', (t) => {
  const condition = torch.zeros([1, 1], { dtype: 'int64' });
  const pick = { repetitionPenalty: 2 };
  t.throws(() => sampleTokens(classNet('VQModel', { pkeep: 0 }), condition, 4, pick), {
    instanceOf: RangeError,
    message: /sampleTokens: repetitionPenalty is 2, but here tokens are not drawn one after another/,
  });
});

for (const repetitionWindow of [null, 2]) {
  test(`in windows, the codes of the window before the drawn one count: window ${repetitionWindow}`, (t) => {
    const net = classNet('VQModel').double();
    const condition = torch.tensor([[0n], [3n]]);
    const pick = { greedy: true, repetitionPenalty: 3, repetitionWindow };
    const draw = (options: SampleWindowedOptions) =>
      sampleWindowed(net, condition, { grid: [4, 5], window: 3, ...options }).tolist();
    const onStep = ({ cells, fed, logits, tokens }: WindowStep) => {
      const [rows, scores] = [fed, logits].map((of) => of.tolist()) as [number[][], number[][]];
      for (const [i, token] of (tokens.flatten().tolist() as number[]).entries()) {
        const { row, column, top, left } = cells[i % cells.length]!;
        const before = rows[i]!.slice(1, 1 + 3 * (row - top) + column - left);
        const seen = new Set(repetitionWindow === null ? before : before.slice(-repetitionWindow));
        const changed = scores[i]!.slice(0, 8) // the codes
          .map((logit, id) => (seen.has(id) ? (logit > 0 ? logit / 3 : logit * 3) : logit));
        t.is(token, changed.indexOf(Math.max(...changed)));
      }
    };
    const drawn = draw({ ...pick, onStep });
    t.notDeepEqual(drawn, draw({ greedy: true }));
    for (const way of [{ order: 'sequential' }, { wholeWindow: true }, { cacheBytes: 0 }] as const)
      t.deepEqual(draw({ ...pick, ...way }), drawn);
    const whole = sampleWindowed(net, condition, { ...pick, grid: [4, 4], window: 4 });
    t.deepEqual(whole.flatten(1).tolist(), sampleTokens(net, condition, 16, pick).tolist());
  });
}
