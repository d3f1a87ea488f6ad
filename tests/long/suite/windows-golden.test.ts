/**
 * Sliding windows against values recorded from the reference's scripts (CompVis/taming-transformers 3ba01b2, PyTorch
 * 2.13.0, CPU, float64; weights stored as float16, logits and images as float32) in `tests/fixtures/windows.safetensors`.
 *
 * Windows of 16 × 16 were drawn greedily. In the runs with windows of 4 × 4, what was fed, the logits at the place and
 * their argmax are right, but the tokens written into the grid were picked from the last W rows of logits viewed as
 * [W, W, V / W], where the scripts have the last W² (256) rows. These runs are repeated here with the recorded tokens.
 */
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { VQModel } from '../../../src/models/autoencoder/vqgan.js';
import { CoordStage } from '../../../src/models/conditions/coordinates.js';
import { GPT } from '../../../src/models/priors/gpt.js';
import { Net2NetTransformer, type ImageStage } from '../../../src/models/two-stage.js';
import { planSlots } from '../../../src/sampling/engines/standing-windows.js';
import { planWindows } from '../../../src/sampling/orders/window.js';
import type { WindowCell, WindowStep } from '../../../src/sampling/orders/window.js';
import { sampleWindowed } from '../../../src/sampling/windows.js';
import type { SampleWindowedOptions } from '../../../src/sampling/windows.js';
import * as torch from '../../../src/torch/index.js';
import type { Tensor } from '../../../src/torch/index.js';
import { loadCheckpoint } from '../../../src/torch/io/index.js';
import { GridStage } from '../../golden/net2net.js';

const { tensors } = await loadCheckpoint(
  fileURLToPath(new URL('../../fixtures/windows.safetensors', import.meta.url)),
);
const recorded = (name: string): Tensor => {
  const tensor = tensors.get(name);
  if (!tensor) throw new Error(`the fixture has no ${name}`);
  return tensor.dtype === 'uint8' ? tensor.long() : tensor;
};
const weights = (prefix: string) =>
  new Map(
    [...tensors.keys()]
      .filter((key) => key.startsWith(prefix))
      .map((key) => [key.slice(prefix.length), tensors.get(key)!]),
  );

/** Loads weights recorded without the buffers that the configuration determines. */
function load(module: GPT | VQModel, prefix: string, absent: RegExp): void {
  const { missing, unexpected } = module.loadStateDict(weights(prefix), { strict: false });
  const wrong = [...missing.filter((key) => !absent.test(key)), ...unexpected];
  if (wrong.length > 0) throw new Error(`the fixture does not fit: ${wrong.join(', ')}`);
}

const MASK = /^blocks\.\d\.attn\.mask$/;
const CODES = 24;

/** The recorded first stage, without its encoder. */
function segDecoder(): VQModel {
  const model = new VQModel({
    ddconfig: {
      ch: 32,
      chMult: [1, 1],
      numResBlocks: 1,
      attnResolutions: [],
      resolution: 8,
      inChannels: 3,
      outCh: 3,
      zChannels: 8,
      doubleZ: false,
    },
    nEmbed: CODES,
    embedDim: 6,
  });
  load(model, 'weights.first_stage_model.', /^(encoder|quant_conv)\./);
  return model;
}

function netOf(weightsOf: string, prior: GPT, firstStage: ImageStage = new GridStage()): Net2NetTransformer {
  load(prior, `weights.${weightsOf}.`, MASK);
  return new Net2NetTransformer({ firstStage, prior, condition: '__is_first_stage__' }).to('float64').eval();
}

const segSizes = { vocabSize: CODES, blockSize: 32, nLayer: 2, nHead: 4, nEmbd: 48 };
const segNet = (firstStage?: ImageStage) => netOf('transformer', new GPT(segSizes), firstStage);
const w16Sizes = { vocabSize: CODES, blockSize: 512, nLayer: 2, nHead: 2, nEmbd: 24 };

const error = (a: Tensor, b: Tensor): number =>
  torch.scope(() => a.double().sub(b).abs().max().item() / b.double().abs().max().item());

interface Cell {
  /** Row, column, their place in the window, and the window's rows and columns: a row of the recorded steps. */
  step: number[];
  fed: number[];
  logits: number[];
  token: number;
}

/** Returns the tokens that a call fed, its logits and drawn cells, in reading order, and its number of steps. */
function watched(window: number, call: (onStep: (step: WindowStep) => void) => Tensor) {
  const cells: Cell[] = [];
  let steps = 0;
  const grid = call((step) => {
    steps = step.steps;
    const [rows, logits, [tokens]] = [step.fed, step.logits, step.tokens].map((tensor) =>
      tensor.tolist(),
    ) as [number[][], number[][], number[][]];
    for (const [i, { row, column, top, left }] of step.cells.entries()) {
      const place = [row, column, row - top, column - left, top, top + window, left, left + window];
      cells.push({ step: place, fed: rows[i]!, logits: logits[i]!, token: Number(tokens![i]) });
    }
  });
  cells.sort((a, b) => a.step[0]! - b.step[0]! || a.step[1]! - b.step[1]!);
  return { grid, cells, steps };
}

interface Case {
  name: string;
  grid: [number, number];
  /** Number of steps as a wavefront. */
  waves: number;
}

const cases: Case[] = [
  { name: 'seg.4x8', grid: [4, 8], waves: 20 },
  { name: 'seg.6x9', grid: [6, 9], waves: 29 },
  { name: 'seg.9x6', grid: [9, 6], waves: 38 },
  { name: 'first.6x9', grid: [6, 9], waves: 29 },
  { name: 'coord.6x9', grid: [6, 9], waves: 29 },
  { name: 'coord.9x6', grid: [9, 6], waves: 38 },
  { name: 'seg.4x8.half', grid: [4, 8], waves: 12 },
  { name: 'seg.6x9.half', grid: [6, 9], waves: 17 },
  { name: 'seg.9x6.half', grid: [9, 6], waves: 11 },
];

/** The options that start as the reference does: a copy of the condition's codes if they have the shape of the image's. */
function startOf({ name, grid }: Case): SampleWindowedOptions {
  if (name.endsWith('.half')) {
    return { completion: recorded(`${name}.z`).view([1, ...grid]), referenceStart: true };
  }
  if (name.startsWith('coord')) return {};
  const tokens = recorded(`${name}.cond`).view([1, ...grid]);
  return { completion: tokens, mask: torch.zeros(grid) };
}

/** Samples as recorded: the model's logits are watched, and the recorded tokens are drawn whatever they are. */
function repeated(net: Net2NetTransformer, { name, grid }: Case, options: SampleWindowedOptions) {
  const [tokens] = recorded(`${name}.grid`).tolist() as number[][][];
  const drawn = new Set(
    (recorded(`${name}.steps`).tolist() as number[][]).map(([row, column]) => `${row}, ${column}`),
  );
  const given = (cell: number) => !drawn.has(`${Math.floor(cell / grid[1])}, ${cell % grid[1]}`);
  const wavefront = options.order !== 'sequential';
  const plan = planWindows({ grid, window: 4, given, wavefront, most: 64 });
  const lengthOf = (cell: WindowCell) => 16 + 4 * (cell.row - cell.top) + cell.column - cell.left;
  // The cells of one forward after the other.
  const order = planSlots(plan, lengthOf, Infinity).flatMap((groups, step) =>
    groups.flat().map(({ index }) => plan[step]![index]!),
  );
  const real: number[][] = [];
  const { transformer } = net;
  const forward = transformer.forward.bind(transformer);
  transformer.forward = (fed, more) => {
    const logits = forward(fed, more); // [K, 1, V]
    const next = order.slice(real.length, real.length + logits.shape[0]!);
    real.push(...(logits.squeeze(1).tolist() as number[][]));
    const forced = torch.tensor(
      next.map(({ row, column }) => tokens![row]![column]!),
      { dtype: 'int64' },
    );
    return torch.oneHot(forced, CODES).to(logits.dtype).unsqueeze(1);
  };
  const condition = recorded(`${name}.cond`).view([1, ...grid]);
  const result = watched(4, (onStep) => sampleWindowed(net, condition, { ...options, greedy: true, onStep }));
  const logitsOf = new Map(order.map(({ row, column }, i) => [`${row}, ${column}`, real[i]!]));
  for (const cell of result.cells) cell.logits = logitsOf.get(cell.step.slice(0, 2).join(', '))!;
  return result;
}

const argmax = (values: number[]) => values.indexOf(Math.max(...values));
const integers = (name: string): unknown => recorded(name).tolist();

for (const one of cases) {
  const { name, waves } = one;
  for (const [how, options] of Object.entries<SampleWindowedOptions>({
    'whole windows': { wholeWindow: true, order: 'sequential' },
    'prefixes only': { order: 'sequential' },
    'a wavefront': {},
  })) {
    test(`steps, sequences, logits and grid are the reference’s: ${name}, ${how}`, (t) => {
      const { grid, cells, steps } = repeated(segNet(), one, { ...startOf(one), ...options });
      t.deepEqual(
        cells.map(({ step }) => step),
        integers(`${name}.steps`),
      );
      const fed = integers(`${name}.fed`) as number[][];
      for (const [i, cell] of cells.entries()) {
        const length = how === 'whole windows' ? 31 : 16 + cell.step[2]! * 4 + cell.step[3]!;
        // In a wavefront the shorter ones are followed by tokens that are not attended to.
        const own = how === 'a wavefront' ? cell.fed.slice(0, length) : cell.fed;
        t.deepEqual(own, fed[i]!.slice(0, length));
      }
      t.true(error(torch.tensor(cells.map(({ logits }) => logits)), recorded(`${name}.logits`)) < 1e-6);
      t.deepEqual(
        cells.map(({ logits }) => argmax(logits)),
        integers(`${name}.argmax`),
      );
      t.deepEqual(grid.tolist(), integers(`${name}.grid`));
      t.is(steps, how === 'a wavefront' ? waves : cells.length);
    });
  }
}

test('float32 gives the same argmax, and logits within rounding', (t) => {
  for (const one of cases) {
    const { cells } = repeated(segNet().to('float32'), one, startOf(one));
    const logits = cells.map((cell) => cell.logits);
    t.true(error(torch.tensor(logits), recorded(`${one.name}.logits`)) < 1e-4, one.name);
    t.deepEqual(logits.map(argmax), integers(`${one.name}.argmax`), one.name);
  }
});

test('the grid is decoded to the reference’s image', (t) => {
  const net = segNet(segDecoder());
  for (const { name, grid } of cases.slice(0, 3)) {
    const images = net.decodeToImg(recorded(`${name}.grid`).flatten(1), grid);
    t.true(error(images, recorded(`${name}.image`)) < 1e-6);
  }
});

test('windows of 16 × 16 give the reference’s steps and tokens', (t) => {
  const net = netOf('w16', new GPT(w16Sizes));
  const condition = recorded('w16.cond').view([1, 18, 20]);
  const { grid, cells, steps } = watched(16, (onStep) =>
    sampleWindowed(net, condition, { greedy: true, onStep }),
  );
  t.is(steps, 292);
  t.deepEqual(
    cells.map(({ step }) => step),
    integers('w16.steps'),
  );
  t.deepEqual(
    cells.map(({ token }) => token),
    integers('w16.argmax'),
  );
  t.deepEqual(grid.tolist(), integers('w16.grid'));
});

test('without referenceStart, the cells that the reference leaves out are drawn', (t) => {
  const name = 'seg.9x6.half';
  const completion = recorded(`${name}.z`).view([1, 9, 6]);
  const condition = recorded(`${name}.cond`).view([1, 9, 6]);
  const drawn = (referenceStart: boolean) => {
    let count = 0;
    const onStep = ({ cells }: WindowStep) => (count += cells.length);
    const options = { completion, referenceStart, topK: 1, onStep };
    const grid = sampleWindowed(segNet(), condition, options);
    const kept = [grid, completion].map((of) => of.flatten(1).narrow(1, 0, 27).tolist());
    t.deepEqual(kept[0], kept[1]);
    return count;
  };
  t.is(drawn(true), 15);
  t.is(drawn(false), 27);
});

test('a coordinate map gives windows absolute positions', (t) => {
  const stage = new CoordStage({ nEmbed: CODES, downFactor: 2 });
  for (const [name, height, width] of [
    ['coord.6x9', 12, 18],
    ['coord.9x6', 18, 12],
  ] as const) {
    // Recorded in float64 from float32 positions, which decides where a mean lies halfway between two ids.
    const map = torch
      .arange(height * width, { dtype: 'float64' })
      .div(height * width)
      .float()
      .double();
    const { indices } = stage.encode(map.view([1, 1, height, width]));
    t.deepEqual(indices.flatten(1).tolist(), recorded(`${name}.cond`).tolist());
  }
});
