/** Windows that stand still: what is kept of them, what is computed again, and that tokens do not depend on it. */
import test from 'ava';
import { SeededRandom } from '../../src/data/seeded-random.js';
import { Labelator } from '../../src/models/conditions/class.js';
import { Net2NetTransformer } from '../../src/models/two-stage.js';
import { planSlots } from '../../src/sampling/engines/standing-windows.js';
import { planWindows, type WindowCell, type WindowStep } from '../../src/sampling/orders/window.js';
import { sampleWindowed, type SampleWindowedOptions } from '../../src/sampling/windows.js';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import { GridStage } from '../golden/net2net.js';
import { livelyGpt } from './lively-gpt.js';

const [CODES, WINDOW] = [9, 4];

/** Two layers over nine codes, with 9 for a dropped condition, after classes or maps. */
function netOf(block: number, nUnmasked = 0): Net2NetTransformer {
  const sizes = { vocabSize: CODES + 1, blockSize: block, nLayer: 2, nHead: 2, nEmbd: 8, nUnmasked };
  return new Net2NetTransformer({
    firstStage: new GridStage(),
    prior: livelyGpt(sizes),
    condition: block < 32 ? new Labelator({ nClasses: CODES }) : '__is_first_stage__',
    nullToken: CODES,
  }).double();
}

const random = (shape: readonly number[], seed = 1): Tensor =>
  torch.randint(0, CODES, shape, { generator: new torch.Generator().manualSeed(seed) });
const grid = [6, 7] as const;
const maps = random([2, ...grid]);
const masks = torch.rand([2, ...grid], { generator: new torch.Generator().manualSeed(3) }).lt(0.4);
const completion = random([2, ...grid], 2);

/** Draws tokens, counts those that go through the model, and reports the logits of each cell. */
function drawn(net: Net2NetTransformer, condition: Tensor, options: SampleWindowedOptions) {
  const { transformer } = net;
  const { forward } = transformer;
  let fed = 0;
  transformer.forward = (tokens, more) => {
    fed += tokens.numel();
    return forward.call(transformer, tokens, more);
  };
  const logits: number[][] = [];
  const onStep = (step: WindowStep) => {
    const rows = step.logits
      .view([-1, step.cells.length, CODES + 1])
      .transpose(0, 1)
      .tolist() as number[][][];
    for (const [i, { row, column }] of step.cells.entries()) logits[row * grid[1] + column] = rows[i]!.flat();
  };
  const tokens = torch.scope(() =>
    sampleWindowed(net, condition, { grid, window: WINDOW, onStep, ...options }).tolist(),
  );
  transformer.forward = forward;
  return { tokens, fed, logits: logits.flat() };
}

const conditions: Record<string, [net: Net2NetTransformer, condition: Tensor]> = {
  'a class': [netOf(16), torch.tensor([[1n], [5n]])],
  'a class in an unmasked prefix': [netOf(16, 1), torch.tensor([[1n], [5n]])],
  'three tokens, two of them unmasked': [netOf(20, 2), random([2, 3])],
  'a map': [netOf(32), maps],
};
const ways: Record<string, SampleWindowedOptions> = {
  'with one seed': { seed: 1 },
  'with seeds of rows': { seeds: [4, 5], topK: 5 },
  guided: { guidance: 2.5, guidanceSchedule: 'linear', seed: 2 },
  'after the first cells': { completion, start: 11, seed: 3 },
  'around cells of each image': { completion, mask: masks, seed: 4 },
  'guided, around the same cells': { guidance: 2, completion, mask: masks.select(0, 0), seed: 5 },
};
/** Bytes of a window's keys and values: two layers 8 wide, in float64. */
const bytesOf = (positions: number, rows: number) => 2 * 2 * 8 * 8 * positions * rows;

for (const [k, [what, [net, condition]]] of Object.entries(conditions).entries()) {
  test(`tokens are the same with and without kept windows, and logits up to rounding: ${what}`, (t) => {
    for (const [i, [how, options]] of Object.entries(ways).entries()) {
      const bytes = bytesOf(net.transformer.blockSize, options.guidance ? 4 : 2);
      const memories: SampleWindowedOptions[] = [
        {},
        { order: 'sequential', cacheBytes: 3 * bytes },
        { maxBatch: 8 },
        { cacheBytes: 5 * bytes },
        { order: 'sequential' },
      ];
      const kept = drawn(net, condition, { ...options, ...memories[(i + k) % memories.length] });
      const expected = drawn(net, condition, { ...options, order: 'sequential', cacheBytes: 0 });
      t.deepEqual(kept.tokens, expected.tokens, how);
      const differences = kept.logits.map((logit, at) => Math.abs(logit - expected.logits[at]!));
      t.true(Math.max(...differences) < 1e-9, how);
      t.true(kept.fed < expected.fed, how);
    }
  });
}

test('only positions since the last cell of a window are computed', (t) => {
  const [net, label] = [netOf(16), torch.tensor([[1n]])];
  const fed = (options: SampleWindowedOptions) =>
    drawn(net, label, { seed: 1, order: 'sequential', ...options }).fed;
  // One window: each position once.
  t.is(fed({ grid: [4, 4] }), 16);
  t.is(fed({ grid: [4, 4], cacheBytes: 0 }), (16 * 17) / 2);
  // Five windows side by side, drawn from after 3, 3, 3, 3 and 4 positions in row 0, and after 4 more in each other row.
  t.is(fed({ grid: [4, 8] }), 4 * 3 + 4 + 3 * 5 * 4);
  t.true(fed({ grid: [4, 8], cacheBytes: 0 }) > 3 * fed({ grid: [4, 8] }));
  // Without memory for a window and what is not kept, nothing is.
  t.is(fed({ grid: [4, 4], cacheBytes: 2 * bytesOf(16, 1) }), 16);
  t.is(fed({ grid: [4, 4], cacheBytes: 2 * bytesOf(16, 1) - 1 }), (16 * 17) / 2);
  t.is(fed({ grid: [4, 4], wholeWindow: true }), 16 * 16);
});

test('a slot holds what the cell continues from, and the soonest used windows are kept', (t) => {
  const draw = new SeededRandom(8);
  for (let round = 0; round < 40; round++) {
    const window = 1 + draw.integer(4);
    const size = [window + draw.integer(8), window + draw.integer(8)] as const;
    const share = draw.integer(3) / 4;
    const given = new Set(
      Array.from({ length: size[0] * size[1] }, () => draw.chance(share)).flatMap((is, i) => (is ? [i] : [])),
    );
    const wavefront = draw.chance(0.5);
    const plan = planWindows({
      grid: size,
      window,
      given: (cell) => given.has(cell),
      wavefront,
      most: 1 + draw.integer(6),
    });
    const lengthOf = ({ row, column, top, left }: WindowCell) => 2 + (row - top) * window + column - left;
    const most = draw.integer(7);
    const slots: { corner: string; length: number }[] = [];
    let known = 0;
    for (const [step, groups] of planSlots(plan, lengthOf, most).entries()) {
      const cells = groups.flat();
      t.deepEqual(
        cells.map(({ index }) => index).sort((a, b) => a - b),
        plan[step]!.map((_, i) => i),
      );
      const written = new Set<number>();
      for (const [i, group] of groups.entries()) {
        const count = Math.max(...group.map(({ length, past }) => length - past));
        for (const { index, corner, length, past, start, slot } of group) {
          const cell = plan[step]![index]!;
          t.is(corner, `${cell.top}, ${cell.left}`);
          t.is(length, lengthOf(cell));
          // What is not computed is known, and all computed positions fit a forward of the group's length.
          t.true(start <= past && length - start <= count && start >= 0);
          t.is(past > 0, i === 0 && groups[0]![0]!.past > 0);
          if (past > 0) {
            t.deepEqual(slots[slot!], { corner, length: past });
            known++;
          }
          if (slot === null) continue;
          t.true(slot < most && !(past === 0 && written.has(slot)));
        }
        for (const { corner, length, slot } of group) if (slot !== null) slots[slot] = { corner, length };
      }
    }
    const corners = plan.flat().map(({ top, left }) => `${top}, ${left}`);
    const repeated = corners.length - new Set(corners).size;
    if (most === 0) t.is(known, 0);
    else t.true(known > 0 || repeated === 0);
    const all = planSlots(plan, lengthOf, Infinity).flat(2);
    t.is(all.filter(({ past }) => past > 0).length, repeated);
  }
});

test('the memory is freed at the end, and after an error', (t) => {
  const net = netOf(16);
  const label = torch.tensor([[1n]]);
  const { tensors } = torch.memory();
  drawn(net, label, { seed: 1 });
  t.is(torch.memory().tensors, tensors);
  const onStep = () => {
    throw new Error('enough');
  };
  t.throws(() => torch.scope(() => sampleWindowed(net, label, { grid, onStep })), { message: 'enough' });
  t.is(torch.memory().tensors, tensors);
});
