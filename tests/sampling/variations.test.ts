/** Variations: which tokens are drawn again, and that all others stay. */
import test from 'ava';
import { SpiralOutPermuter } from '../../src/models/orders/permuter.js';
import { Net2NetTransformer } from '../../src/models/two-stage.js';
import { tokenLogProbabilities, variations, type VariationsOptions } from '../../src/sampling/variations.js';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import { GridStage } from '../golden/net2net.js';
import { livelyGpt } from './lively-gpt.js';

function netOf({ spiral = false, block = 16 } = {}) {
  const prior = livelyGpt({ vocabSize: 12, blockSize: block, nLayer: 2, nHead: 2, nEmbd: 8 });
  const order = spiral ? { order: new SpiralOutPermuter({ H: 4, W: 4 }) } : {};
  const firstStage = Object.assign(new GridStage(), { nCodes: 10 });
  const net = new Net2NetTransformer({ prior, firstStage, condition: '__is_unconditional__', ...order });
  return net.double().eval();
}

const net = netOf();
const generator = new torch.Generator().manualSeed(3);
const tokens = torch.randint(0, 10, [3, 16], { generator });
const listed = (of: Tensor) => of.tolist() as number[][];
/** Places of each row that differ from the tokens. */
const changed = (varied: Tensor, from = tokens) =>
  listed(varied).map((row, i) => row.flatMap((token, at) => (token === listed(from)[i]![at] ? [] : [at])));

test('log-probabilities are those of each token after all before it, among codes', (t) => {
  const start = torch.zeros([3, 1], { dtype: 'int64' });
  const values = listed(tokenLogProbabilities(net, tokens, start));
  for (const [row, given] of listed(tokens).entries()) {
    for (const at of [0, 1, 7, 15]) {
      const before = torch.tensor([[0n, ...given.slice(0, at).map(BigInt)]]);
      const logits = torch.noGrad(() => net.transformer.forward(before, { lastOnly: true }));
      const scores = (logits.flatten().tolist() as number[]).slice(0, 10);
      const sum = scores.reduce((total, score) => total + Math.exp(score), 0);
      t.true(Math.abs(values[row]![at]! - (scores[given[at]!]! - Math.log(sum))) < 1e-9);
    }
  }
});

for (const [what, of] of [
  ['row by row', net],
  ['in a spiral', netOf({ spiral: true })],
] as const) {
  test(`the least likely tokens are drawn again, read ${what}`, (t) => {
    const start = torch.zeros([3, 1], { dtype: 'int64' });
    const values = listed(tokenLogProbabilities(of, tokens, start));
    const lowest = values.map((row) => {
      const order = row.map((_, at) => at).sort((a, b) => row[a]! - row[b]!);
      return new Set(order.slice(0, 4));
    });
    const varied = variations(of, tokens, { share: 0.25, greedy: true });
    const places = changed(varied);
    t.true(places.flat().length > 6);
    for (const [row, at] of places.entries()) t.true(at.every((place) => lowest[row]!.has(place)));
    const likeliest = listed(torch.noGrad(() => of.predict(varied, start).narrow(-1, 0, 10)).argmax(-1));
    for (const [row, set] of lowest.entries())
      for (const place of set) t.is(listed(varied)[row]![place], likeliest[row]![place]);
  });
}

test('a region is drawn again, without what is locked in it', (t) => {
  const mask = torch.zeros([4, 4], { dtype: 'bool' });
  const locked = torch.zeros([3, 4, 4], { dtype: 'bool' });
  torch.noGrad(() => {
    mask.narrow(0, 1, 2).narrow(1, 1, 3).fill_(1); // cells 5, 6, 7, 9, 10, 11
    locked.select(0, 1).narrow(0, 1, 1).fill_(1); // 4, 5, 6, 7 of the second image
    locked.select(0, 2).fill_(1);
  });
  const seen = [new Set<number>(), new Set<number>(), new Set<number>()];
  for (let seed = 0; seed < 12; seed++) {
    const seeds = [seed, seed, seed];
    const places = changed(variations(net, tokens, { mask, locked, seeds, temperature: 5 }));
    for (const [row, at] of places.entries()) for (const place of at) seen[row]!.add(place);
  }
  t.deepEqual(
    seen.map((places) => [...places].sort((a, b) => a - b)),
    [[5, 6, 7, 9, 10, 11], [9, 10, 11], []],
  );
  const one = variations(net, tokens, { mask, share: 0.01, greedy: true });
  t.true(changed(one).every((places) => places.length <= 1));
  t.deepEqual(
    listed(variations(net, tokens, { share: 1, greedy: true, locked: torch.ones([4, 4]) })),
    listed(tokens),
  );
});

test('regions of larger grids are drawn again through windows', (t) => {
  const large = torch.randint(0, 10, [1, 30], { generator });
  const mask = torch.zeros([5, 6], { dtype: 'bool' });
  torch.noGrad(() => void mask.narrow(0, 4, 1).fill_(1));
  const varied = variations(net, large, { grid: [5, 6], mask, seeds: [1], temperature: 5 });
  const [places] = changed(varied, large);
  t.true(places!.length > 2 && places!.every((place) => place >= 24));
});

const refused: Record<string, [VariationsOptions, RegExp, Tensor?]> = {
  'neither share nor mask': [{}, /pass a share of the tokens to draw again, or a mask/],
  'a share of nothing': [{ share: 0 }, /share must be a number above 0 and at most 1, got 0/],
  'a mask of another grid': [
    { mask: torch.ones([4, 5]) },
    /mask must be \[4, 4\] or \[3, 4, 4\].*got \[4, 5\]/,
  ],
  'locked cells of another batch': [
    { share: 1, locked: torch.ones([2, 4, 4]) },
    /locked must be .*got \[2, 4, 4\]/,
  ],
  'another grid': [{ share: 1, grid: [3, 4] }, /tokens of shape \[3, 16\] do not fill a 3×4 grid/],
  'a share of a grid that does not fit': [
    { share: 0.5, grid: [5, 6] },
    /30 tokens after 1 condition tokens do not fit .* block of 16 .*pass a mask without a share/,
    torch.zeros([1, 30], { dtype: 'int64' }),
  ],
  'guidance without a dropped condition': [{ share: 1, guidance: 2 }, /trained without dropped conditions/],
};
for (const [what, [options, message, given = tokens]] of Object.entries(refused)) {
  test(`refused: ${what}`, (t) => {
    t.throws(() => variations(net, given, options), { message });
  });
}
