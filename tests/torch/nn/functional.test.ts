import { readFileSync } from 'node:fs';
import test from 'ava';
import * as torch from '../../../src/torch/index.js';
import type { DType, Tensor } from '../../../src/torch/index.js';
import * as F from '../../../src/torch/nn/functional.js';
import * as nn from '../../../src/torch/nn/index.js';

interface Stored {
  dtype: DType;
  shape: number[];
  values: (number | boolean)[];
}

interface Case {
  state?: Record<string, Stored>;
  after?: Record<string, Stored>;
  seed?: number;
  /** Positions in the fixture's table of inputs. */
  inputs: number[];
  output: Stored;
  gradient: Stored | null;
}

const { inputs, cases } = JSON.parse(
  readFileSync(new URL('../../fixtures/functional.json', import.meta.url), 'utf8'),
) as {
  inputs: Stored[];
  cases: Record<string, Case>;
};

type Run = (...inputs: Tensor[]) => Tensor;
interface Layer {
  make: () => nn.Module;
  evaluate?: boolean;
  calls?: number;
}

const layers: Record<string, Layer> = {
  Linear: { make: () => new nn.Linear(8, 3) },
  Conv2d: {
    make: () => new nn.Conv2d(4, 6, [3, 2], { stride: [2, 1], padding: [1, 0], dilation: [1, 2], groups: 2 }),
  },
  'Conv2d same': { make: () => new nn.Conv2d(4, 2, 3, { padding: 'same' }) },
  'Conv2d reflect': { make: () => new nn.Conv2d(4, 2, 3, { padding: [1, 2], paddingMode: 'reflect' }) },
  ConvTranspose2d: {
    make: () => new nn.ConvTranspose2d(4, 6, 3, { stride: 2, padding: 1, outputPadding: 1, groups: 2 }),
  },
  GroupNorm: { make: () => new nn.GroupNorm(2, 4, { eps: 1e-2 }) },
  LayerNorm: { make: () => new nn.LayerNorm([3, 8], { eps: 1e-2 }) },
  'BatchNorm2d train': { make: () => new nn.BatchNorm2d(4, { eps: 1e-2, momentum: 0.3 }), calls: 2 },
  'BatchNorm2d eval': { make: () => new nn.BatchNorm2d(4), evaluate: true },
  'BatchNorm2d cumulative': { make: () => new nn.BatchNorm2d(4, { momentum: null }), calls: 3 },
  'BatchNorm2d without statistics': {
    make: () => new nn.BatchNorm2d(4, { trackRunningStats: false, affine: false }),
    evaluate: true,
  },
  Embedding: { make: () => new nn.Embedding(7, 3) },
  MaxPool2d: { make: () => new nn.MaxPool2d(3, { stride: 2, padding: 1 }) },
  AvgPool2d: { make: () => new nn.AvgPool2d(2, { padding: 1, ceilMode: true, countIncludePad: false }) },
  AdaptiveAvgPool2d: { make: () => new nn.AdaptiveAvgPool2d([2, 3]) },
  Upsample: { make: () => new nn.Upsample({ scaleFactor: 2 }) },
  ReLU: { make: () => new nn.ReLU() },
  LeakyReLU: { make: () => new nn.LeakyReLU(0.2) },
  SiLU: { make: () => new nn.SiLU() },
  GELU: { make: () => new nn.GELU() },
  'GELU tanh': { make: () => new nn.GELU({ approximate: 'tanh' }) },
  Sigmoid: { make: () => new nn.Sigmoid() },
  Tanh: { make: () => new nn.Tanh() },
  Softmax: { make: () => new nn.Softmax(1) },
};

const functions: Record<string, Run> = {
  softplus: (x) => F.softplus(x, 2, 1),
  logSoftmax: (x) => F.logSoftmax(x, -1),
  crossEntropy: (x, target) => F.crossEntropy(x.transpose(1, 2), target),
  'crossEntropy options': (x, target, weight) =>
    F.crossEntropy(x, target, { weight, reduction: 'sum', ignoreIndex: 2, labelSmoothing: 0.1 }),
  mseLoss: (a, b) => F.mseLoss(a, b),
  'l1Loss none': (a, b) => F.l1Loss(a, b, { reduction: 'none' }),
  binaryCrossEntropyWithLogits: (a, b) => F.binaryCrossEntropyWithLogits(a, b),
  pad: (x) => F.pad(x, [0, 1, 2, 0], { value: 0.5 }),
  'pad reflect': (x) => F.pad(x, [1, 2, 3, 0], { mode: 'reflect' }),
  'interpolate bilinear': (x) => F.interpolate(x, { size: [7, 3], mode: 'bilinear' }),
  'interpolate bilinear corners': (x) =>
    F.interpolate(x, { scaleFactor: [2, 1.5], mode: 'bilinear', alignCorners: true }),
  'interpolate bicubic antialias': (x) => F.interpolate(x, { size: 3, mode: 'bicubic', antialias: true }),
  'interpolate nearest': (x) => F.interpolate(x, { size: [3, 11] }),
  'interpolate nearest-exact': (x) => F.interpolate(x, { scaleFactor: 0.6, mode: 'nearest-exact' }),
  'interpolate area': (x) => F.interpolate(x, { scaleFactor: 0.5, mode: 'area' }),
  scaledDotProductAttention: (q, k, v) => F.scaledDotProductAttention(q, k, v),
  'scaledDotProductAttention mask': (q, k, v, attnMask) =>
    F.scaledDotProductAttention(q, k, v, { attnMask, scale: 0.7 }),
  'scaledDotProductAttention causal': (q, k, v) => F.scaledDotProductAttention(q, k, v, { isCausal: true }),
  normalize: (x) => F.normalize(x, { dim: -1 }),
  oneHot: (x) => F.oneHot(x, 5),
  layerNorm: (x) => F.layerNorm(x, [8]),
  groupNorm: (x) => F.groupNorm(x, 2),
  gumbelSoftmax: (x) => F.gumbelSoftmax(x, { tau: 0.9, dim: 1 }),
  'gumbelSoftmax hard': (x) => F.gumbelSoftmax(x, { hard: true }),
  dropout: (x) => F.dropout(x, 0.3),
};

const stored = ({ dtype, shape, values }: Stored): Tensor => torch.tensor(values, { dtype }).reshape(shape);

const input = (position: number): Tensor => stored(inputs[position] as Stored);

/** Largest difference over the largest expected magnitude. */
function distance(actual: Tensor, expected: Stored): number {
  if (actual.dtype !== expected.dtype || actual.shape.join() !== expected.shape.join()) return Infinity;
  const found = [actual.flatten().tolist()].flat() as number[];
  const wanted = expected.values as number[];
  const scale = Math.max(...wanted.map(Math.abs), 1e-12);
  return Math.max(0, ...found.map((value, i) => Math.abs(value - (wanted[i] as number)))) / scale;
}

function forward(run: Run, inputs: Tensor[]): { output: Tensor; gradient: Tensor | null } {
  const [first, ...others] = inputs as [Tensor, ...Tensor[]];
  if (first.dtype !== 'float64') return { output: run(first, ...others), gradient: null };
  const leaf = first.detach().clone().requiresGrad_();
  const output = run(leaf, ...others);
  const count = output.numel();
  const weights = torch
    .arange(1, count + 1, { dtype: 'float64' })
    .reshape(output.shape)
    .div(10);
  output.mul(weights).sum().backward();
  return { output, gradient: leaf.grad };
}

test('the fixture and this file list the same cases', (t) => {
  t.deepEqual([...Object.keys(layers), ...Object.keys(functions)], Object.keys(cases));
});

for (const [name, { make, evaluate = false, calls = 1 }] of Object.entries(layers)) {
  test(`computes what PyTorch does: ${name}`, (t) => {
    const expected = cases[name] as Case;
    const module = make().double().train(!evaluate);
    module.loadStateDict(
      new Map(Object.entries(expected.state ?? {}).map(([key, value]) => [key, stored(value)])),
    );
    let result: ReturnType<typeof forward> | undefined;
    for (let i = 0; i < calls; i++) {
      result = forward((x) => module.forward(x) as Tensor, expected.inputs.map(input));
    }
    t.true(distance(result?.output as Tensor, expected.output) < 1e-12);
    if (expected.gradient) t.true(distance(result?.gradient as Tensor, expected.gradient) < 1e-12);
    for (const [key, value] of module.stateDict()) {
      t.true(distance(value, expected.after?.[key] as Stored) < 1e-12, `${key} afterwards`);
    }
  });
}

for (const [name, run] of Object.entries(functions)) {
  test(`computes what PyTorch does: ${name}`, (t) => {
    const expected = cases[name] as Case;
    if (expected.seed !== undefined) torch.manualSeed(expected.seed);
    const { output, gradient } = forward(run, expected.inputs.map(input));
    t.true(distance(output, expected.output) < 1e-12);
    if (expected.gradient) t.true(distance(gradient as Tensor, expected.gradient) < 1e-12);
  });
}

test('functions that are operators by another name', (t) => {
  const x = torch.randn([2, 4, 4, 4]);
  const same = (a: Tensor, b: Tensor): void => {
    t.true(a.equal(b));
  };
  const conv = new nn.Conv2d(4, 6, 3, { stride: 2, padding: 1, groups: 2 });
  same(F.conv2d(x, conv.weight, { bias: conv.bias, stride: 2, padding: 1, groups: 2 }), conv.forward(x));
  const up = new nn.ConvTranspose2d(4, 6, 4, { stride: 2, padding: 1 });
  same(F.convTranspose2d(x, up.weight, { bias: up.bias, stride: 2, padding: 1 }), up.forward(x));
  const linear = new nn.Linear(4, 3);
  same(F.linear(x, linear.weight, linear.bias), linear.forward(x));
  const table = new nn.Embedding(5, 2);
  const indices = torch.tensor([1n, 4n]);
  same(F.embedding(indices, table.weight), table.forward(indices));
  same(F.maxPool2d(x, 2), new nn.MaxPool2d(2).forward(x));
  same(F.avgPool2d(x, 2), new nn.AvgPool2d(2).forward(x));
  same(F.relu(x), new nn.ReLU().forward(x));
  same(F.leakyRelu(x, 0.2), new nn.LeakyReLU(0.2).forward(x));
  same(F.silu(x), new nn.SiLU().forward(x));
  same(F.gelu(x), new nn.GELU().forward(x));
  same(F.sigmoid(x), new nn.Sigmoid().forward(x));
  same(F.tanh(x), new nn.Tanh().forward(x));
  same(F.softmax(x, 1), new nn.Softmax(1).forward(x));
  const norm = new nn.BatchNorm2d(4).eval();
  same(F.batchNorm(x, norm.runningMean, norm.runningVar), norm.forward(x));
});

test('in place activations overwrite their input', (t) => {
  for (const module of [
    new nn.ReLU({ inplace: true }),
    new nn.LeakyReLU(0.2, { inplace: true }),
    new nn.SiLU({ inplace: true }),
  ]) {
    const x = torch.tensor([-1, 2]);
    const expected = (
      module instanceof nn.ReLU ? F.relu(x) : module instanceof nn.SiLU ? F.silu(x) : F.leakyRelu(x, 0.2)
    ).tolist();
    t.is(module.forward(x), x);
    t.deepEqual(x.tolist(), expected);
  }
});

test('dropout drops in training only', (t) => {
  const x = torch.ones([1000]);
  const module = new nn.Dropout(0.25);
  const kept = module.forward(x).ne(0).sum().item();
  t.true(kept > 650 && kept < 850);
  t.true(module.eval().forward(x).equal(x));
});

test('gumbelSoftmax takes a generator', (t) => {
  const draw = (seed: number): unknown =>
    F.gumbelSoftmax(torch.zeros([3, 4]), { generator: new torch.Generator().manualSeed(seed) }).tolist();
  t.deepEqual(draw(1), draw(1));
  t.notDeepEqual(draw(1), draw(2));
});

test('bad arguments are refused', (t) => {
  const x = torch.zeros([1, 1, 2, 2]);
  t.throws(() => F.interpolate(x, {}), { message: /either size or scaleFactor/ });
  t.throws(() => F.interpolate(x, { size: 2, scaleFactor: 2 }), { message: /either size or scaleFactor/ });
  t.throws(() => F.interpolate(torch.zeros([2]), { size: 2 }), { message: /\[B, C, H, W\]/ });
  t.throws(() => F.interpolate(x, { size: 2, mode: 'x' as 'area' }), { message: /unknown mode 'x'/ });
  t.throws(() => F.mseLoss(x, x, { reduction: 'max' as 'sum' }), { message: /not 'max'/ });
});
