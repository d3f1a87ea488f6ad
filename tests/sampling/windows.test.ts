/** Sliding windows over grids of any size: the order of cells, given cells, randomness, and what is refused. */
import test from 'ava';
import { SeededRandom } from '../../src/data/seeded-random.js';
import { Labelator } from '../../src/models/conditions/class.js';
import { SpiralOutPermuter } from '../../src/models/orders/permuter.js';
import { Net2NetTransformer } from '../../src/models/two-stage.js';
import { cellNoise } from '../../src/sampling/cell-noise.js';
import { ImageSampler, sampleImages, sampleTokens } from '../../src/sampling/images.js';
import { LogitsError } from '../../src/sampling/logits-error.js';
import { planWindows } from '../../src/sampling/orders/window.js';
import type { WindowCell, WindowStep } from '../../src/sampling/orders/window.js';
import { sampleWindowed } from '../../src/sampling/windows.js';
import type { GridCondition } from '../../src/sampling/window-condition.js';
import type { SampleWindowedOptions } from '../../src/sampling/windows.js';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import { GridStage } from '../golden/net2net.js';
import { livelyGpt } from './lively-gpt.js';

const CODES = 9;
type Grid = [number, number];

interface NetOptions {
  block?: number;
  nUnmasked?: number;
  pkeep?: number;
  permuter?: SpiralOutPermuter;
  classes?: boolean;
}

/** A second stage over grids, of the image's codes and of the condition's, or over classes. */
function netOf({ block = 32, nUnmasked = 0, pkeep = 1, permuter, classes = false }: NetOptions = {}) {
  const sizes = { vocabSize: CODES, blockSize: block, nLayer: 1, nHead: 2, nEmbd: 8, nUnmasked };
  return new Net2NetTransformer({
    firstStage: new GridStage(),
    prior: livelyGpt(sizes),
    condition: classes ? new Labelator({ nClasses: 3 }) : '__is_first_stage__',
    ...(permuter && { order: permuter }),
    pkeep,
  }).to('float64');
}

const random = (shape: readonly number[], high = CODES): Tensor =>
  torch.randint(0, high, shape, { generator: new torch.Generator().manualSeed(shape.length) });
const zeros = (shape: readonly number[]): Tensor => torch.zeros(shape, { dtype: 'int64' });
const nothing = () => false;

test('a wavefront takes as few steps as the windows allow', (t) => {
  const steps = (grid: Grid, window: number) =>
    planWindows({ grid, window, given: nothing, wavefront: true, most: 64 }).length;
  t.is(steps([42, 64], 16), 720);
  t.is(steps([64, 64], 16), 1072);
  t.is(steps([64, 128], 16), 1136);
  t.is(steps([128, 128], 16), 2160);
  t.is(steps([16, 16], 16), 256);
});

test('each cell comes once, after all that its window feeds, and as early as that', (t) => {
  const draw = new SeededRandom(5);
  for (let round = 0; round < 40; round++) {
    const window = 1 + draw.integer(5);
    const grid: Grid = [window + draw.integer(9), window + draw.integer(9)];
    const given = new Set<number>();
    for (let cell = 0; cell < grid[0] * grid[1]; cell++) if (draw.chance((round % 4) / 4)) given.add(cell);
    const most = 1 + draw.integer(6);
    const plan = planWindows({ grid, window, given: (cell) => given.has(cell), wavefront: true, most });
    const known = new Set(given);
    const needs = ({ row, column, top, left }: WindowCell) => {
      const cells: number[] = [];
      for (let y = top; y < top + window; y++) {
        for (let x = left; x < left + window; x++) {
          if (y < row || (y === row && x < column)) cells.push(y * grid[1] + x);
        }
      }
      return cells;
    };
    for (const cells of plan) {
      t.true(cells.length > 0 && cells.length <= most);
      for (const cell of cells) {
        t.true(cell.top <= cell.row && cell.row < cell.top + window && cell.top + window <= grid[0]);
        t.true(cell.left <= cell.column && cell.column < cell.left + window && cell.left + window <= grid[1]);
        t.true(needs(cell).every((need) => known.has(need)));
      }
      for (const { row, column } of cells) known.add(row * grid[1] + column);
    }
    t.is(known.size, grid[0] * grid[1]);
    t.is(plan.flat().length + given.size, grid[0] * grid[1]);
  }
});

const picks: SampleWindowedOptions[] = [
  {},
  { temperature: 0.7, topK: 4 },
  { topP: 0.8 },
  { greedy: true },
  { nCodes: 5, temperature: 1.3 },
];

test('one after another, together, and with whole windows: the same tokens in float64', (t) => {
  const draw = new SeededRandom(2);
  const nets = { maps: netOf({ block: 49 }), classes: netOf({ block: 49, classes: true }) };
  for (let round = 0; round < 10; round++) {
    const window = 2 + draw.integer(4);
    const grid: Grid = [window + draw.integer(6), window + draw.integer(7)];
    const batch = 1 + draw.integer(3);
    const spatial = draw.chance(0.6) && window < 5;
    const condition = spatial ? random([batch, ...grid]) : random([batch, 1], 3);
    const mask = torch.rand(grid, { generator: new torch.Generator().manualSeed(round) }).lt(0.3);
    const completion = draw.chance(0.5) ? random([batch, ...grid]) : null;
    const given = completion ? { completion, mask } : {};
    const options = { ...picks[round % picks.length], grid, window, ...given, seed: round };
    const net = spatial ? nets.maps : nets.classes;
    const ways: SampleWindowedOptions[] = [
      { order: 'sequential' },
      {},
      { maxBatch: 1 },
      { maxBatch: 5 },
      { order: 'sequential', wholeWindow: true },
      { wholeWindow: true },
    ];
    const [sequential, ...others] = ways.map((how) =>
      sampleWindowed(net, condition, { ...options, ...how }).tolist(),
    );
    for (const other of others)
      t.deepEqual(other, sequential, `round ${round}: ${grid.join('×')}, ${window}`);
    if (!completion) continue;
    const kept = completion.maskedSelect(mask).tolist();
    t.deepEqual(
      torch
        .tensor(sequential as number[][][])
        .maskedSelect(mask)
        .tolist(),
      kept,
    );
  }
});

test('in float32 they are the same up to the first near tie', (t) => {
  const net = netOf().to('float32');
  const condition = random([1, 9, 13]);
  const watch = (order: 'sequential' | 'wavefront') => {
    const found = new Map<number, { logits: Tensor; token: number }>();
    const onStep = ({ cells, logits, tokens }: WindowStep) => {
      for (const [i, { row, column }] of cells.entries()) {
        const drawn = { logits: torch.keep(logits.select(0, i).clone()), token: tokens.select(1, i).item() };
        found.set(row * 13 + column, drawn);
      }
    };
    sampleWindowed(net, condition, { seed: 3, order, onStep });
    return found;
  };
  const [one, other] = [watch('sequential'), watch('wavefront')];
  const noise = cellNoise(3, { batch: 1, vocabulary: CODES, device: 'cpu' });
  for (let cell = 0; cell < 9 * 13; cell++) {
    const [a, b] = [one.get(cell)!, other.get(cell)!];
    t.true(a.logits.sub(b.logits).abs().max().item() < 1e-4);
    if (a.token === b.token) continue;
    const scores = a.logits.double().sub(
      noise(torch.tensor([BigInt(cell)]))
        .flatten()
        .log(),
    );
    const [best] = scores.topk(2);
    t.true(best.select(0, 0).sub(best.select(0, 1)).item() < 1e-4, `cell ${cell} is not a near tie`);
    return; // What follows is drawn from other tokens.
  }
});

test('a draw depends on the seed, the row and the cell alone', (t) => {
  const net = netOf();
  const condition = random([1, 6, 7]);
  const both = torch.cat([condition, condition]);
  const draw = (given: Tensor, options: SampleWindowedOptions) =>
    sampleWindowed(net, given, { ...options }).tolist() as number[][][];
  const [first, second] = draw(both, { seed: 7 });
  t.deepEqual(draw(condition, { seed: 7 }), [first]);
  t.notDeepEqual(second, first);
  t.notDeepEqual(draw(condition, { seed: 8 }), [first]);
  t.notDeepEqual(draw(condition, { seed: 7 + 2 ** 32 }), [first]);
  const generator = new torch.Generator();
  const seeded = (seed: number) => draw(condition, { generator: generator.manualSeed(seed) });
  t.deepEqual(seeded(1), seeded(1));
  t.notDeepEqual(seeded(1), seeded(2));
  torch.manualSeed(4);
  const drawn = draw(condition, {});
  torch.manualSeed(4);
  t.deepEqual(draw(condition, {}), drawn);
});

test('noise is exponential, and draws tokens with their probabilities', (t) => {
  const cells = torch.arange(4000, { dtype: 'int64' });
  const noise = cellNoise(123, { batch: 5, vocabulary: 4, device: 'cpu' })(cells); // [5, 4000, 4]
  t.true(Math.abs(noise.mean().item() - 1) < 0.02);
  t.true(Math.abs(noise.var().item() - 1) < 0.05);
  t.true(noise.min().item() > 0);
  const probabilities = torch.tensor([0.5, 0.3, 0.15, 0.05], { dtype: 'float64' });
  const drawn = probabilities.div(noise).argmax(-1).flatten();
  const shares = drawn.bincount().div(20000).sub(probabilities).abs().max().item();
  t.true(shares < 0.012, `${shares}`); // 3.4 standard deviations of the likeliest
  // Rows, neighbouring cells, and ids do not follow each other.
  const centred = noise.log().sub(noise.log().mean());
  const scale = centred.square().mean().item();
  const correlation = (a: Tensor, b: Tensor) => Math.abs(a.mul(b).mean().item() / scale);
  t.true(correlation(centred.narrow(0, 0, 4), centred.narrow(0, 1, 4)) < 0.015);
  t.true(correlation(centred.narrow(1, 0, 3999), centred.narrow(1, 1, 3999)) < 0.015);
  t.true(correlation(centred.narrow(2, 0, 3), centred.narrow(2, 1, 3)) < 0.015);
});

test('given cells are kept, in each image its own', (t) => {
  const net = netOf();
  const condition = random([2, 6, 9]);
  const tokens = random([2, 6, 9]);
  const mask = torch.rand([2, 6, 9], { generator: new torch.Generator().manualSeed(1) }).lt(0.5);
  const drawn = sampleWindowed(net, condition, { completion: tokens, mask, seed: 2 });
  t.deepEqual(drawn.maskedSelect(mask).tolist(), tokens.maskedSelect(mask).tolist());
  t.notDeepEqual(drawn.tolist(), tokens.tolist());
  const alone = sampleWindowed(net, condition.narrow(0, 0, 1), {
    completion: tokens.narrow(0, 0, 1),
    mask: mask.select(0, 0),
    seed: 2,
  });
  t.deepEqual(alone.tolist(), drawn.narrow(0, 0, 1).tolist());
  const all = torch.ones([6, 9], { dtype: 'bool' });
  t.deepEqual(sampleWindowed(net, condition, { completion: tokens, mask: all }).tolist(), tokens.tolist());
});

test('the first cells of a completion are kept: half of them, or as many as start says', (t) => {
  const net = netOf();
  const condition = random([1, 5, 7]);
  const completion = random([1, 5, 7]);
  const drawn = (options: SampleWindowedOptions) =>
    sampleWindowed(net, condition, { completion, seed: 1, ...options }).tolist();
  const first = (count: number) => torch.arange(35).lt(count).view([5, 7]);
  t.deepEqual(drawn({}), drawn({ mask: first(17) }));
  t.deepEqual(drawn({ start: 5 }), drawn({ mask: first(5) }));
  t.deepEqual(drawn({ start: 35 }), completion.tolist());
  t.deepEqual(drawn({ start: 0 }), sampleWindowed(net, condition, { seed: 1 }).tolist());
  t.notDeepEqual(drawn({ start: 0 }), drawn({}));
  const later: unknown[] = [];
  drawn({ wholeWindow: true, onStep: ({ step, fed }) => void (step === 0 && later.push(fed.tolist())) });
  const zeroed = completion.mul(first(17));
  drawn({
    completion: zeroed,
    wholeWindow: true,
    onStep: ({ step, fed }) => void (step === 0 && later.push(fed.tolist())),
  });
  t.deepEqual(later[0], later[1]);
});

test('a grid of one window is the model’s own sequence', (t) => {
  for (const [net, condition] of [
    [netOf(), random([2, 4, 4])],
    [netOf({ classes: true, block: 16 }), torch.tensor([[0n], [2n]])],
    [netOf({ classes: true, block: 16, nUnmasked: 1 }), torch.tensor([[1n], [2n]])],
  ] as const) {
    const expected = sampleTokens(net, condition.flatten(1), 16, { greedy: true });
    const drawn = sampleWindowed(net, condition, { grid: [4, 4], greedy: true });
    t.deepEqual(drawn.flatten(1).tolist(), expected.tolist());
  }
});

test('sampleImages draws from windows where the condition is a grid that does not fit', (t) => {
  const net = netOf();
  const condition = random([2, 6, 5]);
  const expected = sampleWindowed(net, condition, { greedy: true }).unsqueeze(1).double();
  const options = { grid: [6, 5], greedy: true } as const;
  t.deepEqual(sampleImages(net, condition.flatten(1), options).tolist(), expected.tolist());
  const tokens: unknown[] = [];
  const onToken = (step: number, drawn: Tensor) => {
    t.is(step, tokens.length);
    tokens.push(drawn.select(0, 0).item());
  };
  sampleImages(net, condition.flatten(1), { ...options, onToken });
  t.deepEqual(tokens, expected.select(0, 0).flatten().tolist());
  using sampler = new ImageSampler(net, { greedy: true });
  t.deepEqual(sampler.sample(condition.flatten(1), { grid: [6, 5] }).tolist(), expected.tolist());
  const narrow = sampleWindowed(net, condition, { greedy: true, window: 3 }).unsqueeze(1).double();
  t.deepEqual(sampleImages(net, condition.flatten(1), { ...options, window: 3 }).tolist(), narrow.tolist());
});

test('of several conditions, each window has its part of the grids and all other tokens, in their order', (t) => {
  const net = netOf({ block: 40 });
  const [ofClass, map, other] = [random([2, 1]), random([2, 6, 5]), random([2, 6, 5], 4)];
  const parts = [map, ofClass, other];
  const options = { window: 3, greedy: true } as const;
  const windows: unknown[] = [];
  const onStep = ({ cells, fed }: WindowStep) => {
    for (const [i, { top, left }] of cells.entries()) {
      for (const row of [0, 1]) {
        const cut = (grid: Tensor) => grid.select(0, row).narrow(0, top, 3).narrow(1, left, 3).flatten();
        const expected = torch.cat([cut(map), ofClass.select(0, row), cut(other)]).tolist();
        t.deepEqual(
          fed
            .select(0, row * cells.length + i)
            .narrow(0, 0, 19)
            .tolist(),
          expected,
        );
        windows.push(expected);
      }
    }
  };
  const drawn = sampleWindowed(net, parts, { ...options, onStep });
  t.is(windows.length, 2 * 6 * 5);
  for (const how of [{ order: 'sequential' }, { cacheBytes: 0 }, { wholeWindow: true }] as const) {
    t.deepEqual(sampleWindowed(net, parts, { ...options, ...how }).tolist(), drawn.tolist());
  }
  const tokens = parts.map((part) => part.flatten(1)); // As `Several.encodeParts` returns them.
  const images = sampleImages(net, tokens, { grid: [6, 5], ...options });
  t.deepEqual(images.tolist(), drawn.unsqueeze(1).double().tolist());
  const own = parts.map((part) => (part.ndim === 3 ? part.narrow(1, 0, 3).narrow(2, 0, 3) : part).flatten(1));
  const sequence = sampleTokens(net, torch.cat(own, 1), 9, { greedy: true });
  const inOne = sampleImages(net, own, { grid: [3, 3], greedy: true });
  t.deepEqual(inOne.flatten(1).tolist(), sequence.double().tolist());
});

test('sampleImages draws after a class from windows only if it is asked to', (t) => {
  const net = netOf({ classes: true, block: 16 });
  const label = torch.tensor([[1n]]);
  t.throws(() => sampleImages(net, label, { grid: [6, 5] }), { message: /ask for at most 16 tokens/ });
  const images = sampleImages(net, label, { grid: [6, 5], window: 4, greedy: true });
  t.deepEqual(
    images.tolist(),
    sampleWindowed(net, label, { grid: [6, 5], greedy: true })
      .unsqueeze(1)
      .double()
      .tolist(),
  );
});

const map = zeros([1, 6, 8]);
const label = zeros([1, 1]);
const completion = (tokens: readonly number[], mask: readonly number[]) => ({
  completion: zeros(tokens),
  mask: zeros(mask),
});

const refused: Record<string, [GridCondition, SampleWindowedOptions, RegExp, NetOptions?]> = {
  'a window larger than the block allows': [
    map,
    { window: 5 },
    /windows of 5×5 codes with their condition do not fit the model's block of 32 positions: pass a window of at most 4/,
  ],
  'such a window after a class': [
    label,
    { grid: [6, 8], window: 6 },
    /6×6 codes with 1 condition token do not fit .* at most 5/,
    { classes: true },
  ],
  'a condition that fills the block': [zeros([1, 40]), { grid: [6, 8] }, /build the model with a larger/],
  'half a window': [map, { window: 2.5 }, /window must be a positive integer, got 2.5/],
  'a grid smaller than the window': [
    zeros([1, 3, 8]),
    {},
    /a grid of 3×8 codes is smaller than the window of 4×4; pass a larger grid, or window: 3/,
  ],
  'a condition of another size': [map, { grid: [8, 6] }, /a grid of 6×8 tokens, but the code grid is 8×6/],
  'one of two grids of another size': [
    [label, map, zeros([1, 6, 7])],
    { window: 3 },
    /a grid of 6×7 tokens, but the code grid is 6×8/,
  ],
  'conditions of other numbers of images': [[zeros([2, 1]), map], {}, /number of rows, got 2 and 1/],
  'windows that do not fit with two conditions': [
    [label, map],
    { window: 4 },
    /4×4 codes with their condition and 1 condition token do not fit .* block of 31 .* at most 3/,
    { block: 31 },
  ],
  'no conditions': [[], {}, /got an empty list/],
  'a condition that is not tokens': [
    zeros([1, 1, 6, 8]),
    {},
    /must be a grid of tokens .* got \[1, 1, 6, 8\]/,
  ],
  'no grid': [label, {}, /pass the code grid to sample/, { classes: true }],
  'a grid without rows': [
    label,
    { grid: [0, 8] },
    /each side of the grid must be a positive/,
    { classes: true },
  ],
  'a mask of another size': [
    map,
    completion([1, 6, 8], [8, 6]),
    /mask must be \[6, 8\] or \[1, 6, 8\], the size of the grid, got \[8, 6\]/,
  ],
  'tokens of another size': [
    map,
    completion([1, 8, 6], [6, 8]),
    /completion must be \[1, 6, 8\].*got \[1, 8, 6\]/,
  ],
  'tokens of another batch': [map, completion([2, 6, 8], [6, 8]), /completion must be \[1, 6, 8\]/],
  'a start beyond the grid': [
    map,
    { completion: zeros([1, 6, 8]), start: 49 },
    /start must be an integer from 0 to 48, the cells of the grid, got 49/,
  ],
  'a start without tokens': [map, { start: 3 }, /start was given without a completion.*\[1, 6, 8\]/],
  'a mask without tokens': [map, { mask: zeros([6, 8]) }, /a mask was given without a completion/],
  'two ways of saying what is kept': [
    map,
    { start: 3, ...completion([1, 6, 8], [6, 8]) },
    /mask was given together with start/,
  ],
  'an order that is not one': [
    map,
    { order: 'diagonal' as 'sequential' },
    /order must be 'wavefront' or 'sequential', got "diagonal"/,
  ],
  'a class that is not one': [torch.tensor([[3n]]), { grid: [6, 8] }, /no class 3/, { classes: true }],
  'a seed that is not one': [map, { seed: -1 }, /seed must be an integer from 0/],
  'no batch': [map, { maxBatch: 0 }, /maxBatch must be a positive integer/],
  'memory that is not a size': [map, { cacheBytes: -1 }, /cacheBytes must be a number of bytes, 0 for none/],
  'a filter that is not one': [map, { topP: 2 }, /topP must be/],
  'attention in both directions': [
    map,
    { window: 2 },
    /unmasked prefix has 5 positions, of which the condition fills 4/,
    { nUnmasked: 5 },
  ],
  'a model that draws all at once': [map, {}, /pkeep 0/, { pkeep: 0 }],
  'another reading order': [
    map,
    {},
    /order of SpiralOutPermuter/,
    { permuter: new SpiralOutPermuter({ H: 4, W: 4 }) },
  ],
};

for (const [what, [condition, options, message, net = {}]] of Object.entries(refused)) {
  test(`refused before any work: ${what}`, (t) => {
    const made = netOf(net);
    made.transformer.forward = () => t.fail();
    t.throws(() => sampleWindowed(made, condition, options), {
      message: new RegExp(`^[^]*${message.source}`),
    });
  });
}

test('NaN ends sampling at its token; modes and memory are as before', (t) => {
  const net = netOf();
  const run = (options: SampleWindowedOptions = {}) =>
    torch.scope(() => sampleWindowed(net, map, { greedy: true, ...options }).tolist());
  net.transformer.train();
  const { tensors } = torch.memory();
  run();
  t.is(torch.memory().tensors, tensors);
  t.true(net.transformer.training);
  torch.noGrad(() => torch.scope(() => void net.transformer.posEmb.narrow(1, 20, 1).fill_(NaN)));
  const failure = t.throws(() => run({ order: 'sequential' }), { instanceOf: LogitsError });
  t.regex(failure.message, /^sampleWindowed: at step 9 the logits of row 0 are NaN/); // cell (1, 1) is the first to feed place 4
  t.is(torch.memory().tensors, tensors);
});
