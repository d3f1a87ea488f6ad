import { readFileSync } from 'node:fs';
import test from 'ava';
import * as torch from '../../../src/torch/index.js';
import type { DType, Tensor } from '../../../src/torch/index.js';
import * as F from '../../../src/torch/nn/functional.js';
import * as nn from '../../../src/torch/nn/index.js';

type Stored = [dtype: DType, shape: number[], values: (number | boolean)[]];

interface Case {
  text: string;
  state: Record<string, Stored>;
  /** Positions in the fixture's table of inputs. */
  inputs?: number[];
  output: Stored;
  weights?: Stored;
  gradient?: Stored | null;
  after: Stored[];
}

const fixture = JSON.parse(readFileSync(new URL('../../fixtures/layers.json', import.meta.url), 'utf8')) as {
  inputs: Stored[];
  cases: Record<string, Case>;
  masked: { inputs: Stored[]; output: Stored; weights: Stored };
  ctc: { input: Stored; loss: number };
};

const float64 = { dtype: 'float64' } as const;
const classWeights = torch.tensor([1, 2, 3, 4], float64);

const layers: Record<string, () => nn.Module> = {
  Conv1d: () => new nn.Conv1d(4, 6, 3, { stride: 2, padding: 1, dilation: 2, groups: 2, ...float64 }),
  'Conv1d circular': () =>
    new nn.Conv1d(4, 2, 3, { padding: 2, paddingMode: 'circular', bias: false, ...float64 }),
  Conv3d: () => new nn.Conv3d(2, 3, [2, 3, 1], { padding: [0, 1, 0], ...float64 }),
  ConvTranspose1d: () => new nn.ConvTranspose1d(4, 2, 3, { stride: 2, outputPadding: 1, ...float64 }),
  ConvTranspose2d: () =>
    new nn.ConvTranspose2d(4, 6, 3, { stride: 2, padding: 1, groups: 2, dilation: 2, ...float64 }),
  ConvTranspose3d: () => new nn.ConvTranspose3d(2, 1, 2, { stride: [1, 2, 1], bias: false, ...float64 }),
  BatchNorm1d: () => new nn.BatchNorm1d(4, { momentum: 0.3, ...float64 }),
  'BatchNorm1d lengths': () => new nn.BatchNorm1d(4, float64),
  BatchNorm3d: () => new nn.BatchNorm3d(2, { affine: false, ...float64 }),
  InstanceNorm1d: () => new nn.InstanceNorm1d(4),
  InstanceNorm2d: () => new nn.InstanceNorm2d(4, { affine: true, trackRunningStats: true, ...float64 }),
  InstanceNorm3d: () => new nn.InstanceNorm3d(2, { eps: 1e-3 }),
  'InstanceNorm1d without batch': () => new nn.InstanceNorm1d(4),
  GroupNorm: () => new nn.GroupNorm(2, 4, float64),
  LayerNorm: () => new nn.LayerNorm([4, 6], float64),
  RMSNorm: () => new nn.RMSNorm(6, float64),
  'RMSNorm eps': () => new nn.RMSNorm([4, 6], { eps: 1e-3, elementwiseAffine: false }),
  Linear: () => new nn.Linear(6, 3, float64),
  Bilinear: () => new nn.Bilinear(4, 4, 3, float64),
  Embedding: () => new nn.Embedding(5, 3, { paddingIdx: -1, ...float64 }),
  EmbeddingBag: () => new nn.EmbeddingBag(5, 3, float64),
  'EmbeddingBag sum': () => new nn.EmbeddingBag(5, 3, { mode: 'sum', paddingIdx: 4, ...float64 }),
  'EmbeddingBag max': () => new nn.EmbeddingBag(5, 3, { mode: 'max', ...float64 }),
  MultiheadAttention: () => new nn.MultiheadAttention(4, 2, { batchFirst: true, ...float64 }),
  'MultiheadAttention dims': () => new nn.MultiheadAttention(6, 3, { kdim: 5, vdim: 5, ...float64 }),
  TransformerEncoderLayer: () =>
    new nn.TransformerEncoderLayer(4, 2, { dimFeedforward: 8, dropout: 0, batchFirst: true, ...float64 }),
  'TransformerEncoderLayer first': () =>
    new nn.TransformerEncoderLayer(6, 2, {
      dimFeedforward: 8,
      dropout: 0,
      normFirst: true,
      activation: 'gelu',
      ...float64,
    }),
  MaxPool1d: () => new nn.MaxPool1d(3, { stride: 2, padding: 1 }),
  MaxPool2d: () => new nn.MaxPool2d([2, 3], { ceilMode: true }),
  MaxPool3d: () => new nn.MaxPool3d(2, { stride: 1, dilation: [1, 2, 1] }),
  AvgPool1d: () => new nn.AvgPool1d(2, { padding: 1 }),
  AvgPool2d: () => new nn.AvgPool2d([2, 3]),
  AvgPool3d: () => new nn.AvgPool3d(2, { stride: 1, padding: 1, countIncludePad: false }),
  AdaptiveAvgPool1d: () => new nn.AdaptiveAvgPool1d(4),
  AdaptiveAvgPool2d: () => new nn.AdaptiveAvgPool2d([null, 3]),
  AdaptiveAvgPool3d: () => new nn.AdaptiveAvgPool3d(2),
  AdaptiveMaxPool1d: () => new nn.AdaptiveMaxPool1d(4),
  AdaptiveMaxPool2d: () => new nn.AdaptiveMaxPool2d([2, 3]),
  AdaptiveMaxPool3d: () => new nn.AdaptiveMaxPool3d([1, 2, 3]),
  'Upsample linear': () => new nn.Upsample({ size: 9, mode: 'linear' }),
  'Upsample trilinear': () => new nn.Upsample({ scaleFactor: 2, mode: 'trilinear', alignCorners: true }),
  'Upsample bicubic': () => new nn.Upsample({ scaleFactor: [1.5, 2], mode: 'bicubic' }),
  'Upsample nearest 3d': () => new nn.Upsample({ size: [4, 5, 6] }),
  PixelShuffle: () => new nn.PixelShuffle(2),
  PixelUnshuffle: () => new nn.PixelUnshuffle(2),
  Flatten: () => new nn.Flatten(),
  Unflatten: () => new nn.Unflatten(1, [2, -1]),
  ZeroPad1d: () => new nn.ZeroPad1d([1, 2]),
  ZeroPad2d: () => new nn.ZeroPad2d(1),
  ConstantPad2d: () => new nn.ConstantPad2d([1, 0, 2, 0], 0.5),
  ConstantPad3d: () => new nn.ConstantPad3d(1, -2),
  ReflectionPad1d: () => new nn.ReflectionPad1d(2),
  ReflectionPad2d: () => new nn.ReflectionPad2d([1, 2, 3, 0]),
  ReflectionPad3d: () => new nn.ReflectionPad3d(1),
  ReplicationPad1d: () => new nn.ReplicationPad1d([3, 1]),
  ReplicationPad2d: () => new nn.ReplicationPad2d(2),
  ReplicationPad3d: () => new nn.ReplicationPad3d(1),
  CircularPad2d: () => new nn.CircularPad2d([1, 2, 0, 3]),
  ReLU6: () => new nn.ReLU6(),
  ELU: () => new nn.ELU(0.7),
  SELU: () => new nn.SELU(),
  CELU: () => new nn.CELU(2),
  Hardswish: () => new nn.Hardswish(),
  Hardsigmoid: () => new nn.Hardsigmoid(),
  Hardtanh: () => new nn.Hardtanh(-0.5, 1),
  Mish: () => new nn.Mish(),
  Softplus: () => new nn.Softplus(),
  Softsign: () => new nn.Softsign(),
  Tanhshrink: () => new nn.Tanhshrink(),
  Hardshrink: () => new nn.Hardshrink(),
  Softshrink: () => new nn.Softshrink(0.3),
  LogSoftmax: () => new nn.LogSoftmax(1),
  Softmin: () => new nn.Softmin(0),
  LogSigmoid: () => new nn.LogSigmoid(),
  GLU: () => new nn.GLU(),
  Threshold: () => new nn.Threshold(0.1, 20),
  PReLU: () => new nn.PReLU(4, float64),
  CosineSimilarity: () => new nn.CosineSimilarity(),
  PairwiseDistance: () => new nn.PairwiseDistance(3, { keepdim: true }),
  MSELoss: () => new nn.MSELoss({ reduction: 'sum' }),
  L1Loss: () => new nn.L1Loss(),
  SmoothL1Loss: () => new nn.SmoothL1Loss({ beta: 0.5 }),
  HuberLoss: () => new nn.HuberLoss({ reduction: 'none', delta: 0.7 }),
  CrossEntropyLoss: () => new nn.CrossEntropyLoss({ labelSmoothing: 0.1 }),
  'CrossEntropyLoss weight': () => new nn.CrossEntropyLoss({ weight: classWeights }),
  NLLLoss: () => new nn.NLLLoss({ ignoreIndex: 3 }),
  KLDivLoss: () => new nn.KLDivLoss({ reduction: 'batchmean' }),
  'KLDivLoss log': () => new nn.KLDivLoss({ reduction: 'sum', logTarget: true }),
  BCELoss: () => new nn.BCELoss(),
  BCEWithLogitsLoss: () => new nn.BCEWithLogitsLoss({ posWeight: classWeights }),
  SoftMarginLoss: () => new nn.SoftMarginLoss(),
  HingeEmbeddingLoss: () => new nn.HingeEmbeddingLoss(),
  CosineEmbeddingLoss: () => new nn.CosineEmbeddingLoss({ margin: 0.1 }),
  MarginRankingLoss: () => new nn.MarginRankingLoss({ margin: 0.5 }),
  TripletMarginLoss: () => new nn.TripletMarginLoss({ swap: true, margin: 2 }),
  PoissonNLLLoss: () => new nn.PoissonNLLLoss({ full: true }),
  'PoissonNLLLoss rate': () => new nn.PoissonNLLLoss({ logInput: false, reduction: 'sum' }),
  GaussianNLLLoss: () => new nn.GaussianNLLLoss({ full: true }),
  'GaussianNLLLoss small': () => new nn.GaussianNLLLoss({ eps: 0.5, reduction: 'sum' }),
  MultiMarginLoss: () => new nn.MultiMarginLoss({ p: 2, margin: 0.7, weight: classWeights }),
  MultiLabelMarginLoss: () => new nn.MultiLabelMarginLoss(),
  MultiLabelSoftMarginLoss: () => new nn.MultiLabelSoftMarginLoss({ weight: classWeights }),
  TripletMarginWithDistanceLoss: () => new nn.TripletMarginWithDistanceLoss({ swap: true, margin: 2 }),
  Unfold: () => new nn.Unfold([2, 3], { padding: 1, stride: 2 }),
  Fold: () => new nn.Fold([4, 5], 2, { dilation: [1, 2] }),
  MaxUnpool1d: () => new nn.MaxUnpool1d(2),
  MaxUnpool2d: () => new nn.MaxUnpool2d([2, 3], { stride: 2 }),
  MaxUnpool3d: () => new nn.MaxUnpool3d(2, { stride: 1 }),
  LPPool1d: () => new nn.LPPool1d(2, 3, { stride: 2 }),
  LPPool2d: () => new nn.LPPool2d(4, [2, 3], { ceilMode: true }),
  LPPool3d: () => new nn.LPPool3d(2, 2),
  LocalResponseNorm: () => new nn.LocalResponseNorm(3, { alpha: 0.5, k: 2 }),
  'LocalResponseNorm lengths': () => new nn.LocalResponseNorm(2, { alpha: 0.1, beta: 0.5 }),
  ChannelShuffle: () => new nn.ChannelShuffle(2),
  UpsamplingNearest2d: () => new nn.UpsamplingNearest2d({ scaleFactor: 2 }),
  UpsamplingBilinear2d: () => new nn.UpsamplingBilinear2d({ size: [6, 7] }),
  Softmax2d: () => new nn.Softmax2d(),
  RReLU: () => new nn.RReLU(0.1, 0.3),
  FeatureAlphaDropout: () => new nn.FeatureAlphaDropout(0.4),
  weightNorm: () => nn.weightNorm(new nn.Linear(4, 3, float64)),
  'weightNorm dim': () => nn.weightNorm(new nn.Conv1d(4, 2, 3, float64), 'weight', { dim: 1 }),
  spectralNorm: () => nn.spectralNorm(new nn.Conv2d(4, 3, 3, float64)),
  'spectralNorm transposed': () =>
    nn.spectralNorm(new nn.ConvTranspose1d(4, 3, 2, float64), 'weight', { iterations: 2 }),
  Dropout1d: () => new nn.Dropout1d(0.4),
  Dropout2d: () => new nn.Dropout2d(0.4),
  Dropout3d: () => new nn.Dropout3d(0.4),
  AlphaDropout: () => new nn.AlphaDropout(0.3),
  model: () =>
    new nn.Sequential(
      new nn.Conv2d(4, 4, 3, float64),
      new nn.ModuleList<nn.Module>([
        new nn.Linear(2, 2, float64),
        new nn.Linear(2, 2, float64),
        new nn.ReLU(),
      ]),
      new nn.ModuleDict({ a: new nn.Linear(3, 2, float64) }),
    ),
  orthogonal: () => filled((w) => nn.init.orthogonal_(w), [3, 5]),
  'orthogonal tall': () => filled((w) => nn.init.orthogonal_(w, 1.5), [6, 2, 2]),
  eye: () => filled((w) => nn.init.eye_(w), [3, 5]),
  dirac: () => filled((w) => nn.init.dirac_(w, 2), [4, 3, 3, 2]),
  sparse: () => filled((w) => nn.init.sparse_(w, 0.4), [5, 3]),
};

function filled(fill: (weight: Tensor) => void, shape: number[]): nn.Module {
  const weight = new nn.Parameter(torch.empty(shape, float64));
  fill(weight);
  return new nn.ParameterDict({ weight });
}

// What is no layer there, and a distance that is a module there and a function here.
const printedOtherwise = new Set([
  'orthogonal',
  'orthogonal tall',
  'eye',
  'dirac',
  'sparse',
  'TripletMarginWithDistanceLoss',
]);

const stored = ([dtype, shape, values]: Stored): Tensor => torch.tensor(values, { dtype }).reshape(shape);

/** Largest difference over the largest expected magnitude. */
function distance(actual: Tensor | null | undefined, [dtype, shape, values]: Stored): number {
  if (actual?.dtype !== dtype || actual.shape.join() !== shape.join()) return Infinity;
  const found = actual.flatten().tolist() as number[];
  const scale = Math.max(...values.map((value) => Math.abs(Number(value))), 1);
  return Math.max(0, ...found.map((value, i) => Math.abs(Number(value) - Number(values[i])))) / scale;
}

test('the fixture and this file list the same layers', (t) => {
  t.deepEqual(Object.keys(layers), Object.keys(fixture.cases));
});

for (const [name, make] of Object.entries(layers)) {
  test(`is what PyTorch has: ${name}`, (t) => {
    const expected = fixture.cases[name] as Case;
    torch.manualSeed(17);
    const module = make();
    if (!printedOtherwise.has(name)) t.is(String(module), expected.text);
    const state = module.stateDict();
    t.deepEqual([...state.keys()], Object.keys(expected.state));
    for (const [key, value] of state) t.true(distance(value, expected.state[key] as Stored) < 1e-12, key);
    if (expected.inputs === undefined) return;

    const table = new Map<number, Tensor>();
    const inputs = expected.inputs.map((position) => {
      const input = table.get(position) ?? stored(fixture.inputs[position] as Stored);
      table.set(position, input);
      return input;
    });
    const [first] = inputs as [Tensor];
    if (first.dtype === 'float64') first.requiresGrad_();
    const result = module.forward(...inputs) as Tensor | [Tensor, Tensor];
    const [output, weights] = result instanceof torch.Tensor ? [result] : result;
    t.true(distance(output, expected.output) < 1e-12, 'output');
    if (expected.weights) t.true(distance(weights, expected.weights) < 1e-12, 'attention weights');
    if (expected.gradient) {
      output.square().sum().backward();
      t.true(distance(first.grad, expected.gradient) < 1e-12, 'gradient');
    }
    module.buffers().forEach((buffer, i) => {
      t.true(distance(buffer, expected.after[i] as Stored) < 1e-12, 'buffer afterwards');
    });
  });
}

test('masks of attention', (t) => {
  const { inputs, output, weights } = fixture.masked;
  const [query, keyPaddingMask, attnMask] = inputs.map(stored) as [Tensor, Tensor, Tensor];
  torch.manualSeed(17);
  const attention = new nn.MultiheadAttention(4, 2, { batchFirst: true, ...float64 });
  const call = (options: nn.AttentionCall): [Tensor, Tensor | null] =>
    attention.forward(query, query, query, { keyPaddingMask, attnMask, ...options });
  const [slow, shares] = call({ averageAttnWeights: false });
  t.true(distance(slow, output) < 1e-12);
  t.true(distance(shares, weights) < 1e-12);
  const [fast, none] = call({ needWeights: false });
  t.true(distance(fast, output) < 1e-12);
  t.is(none, null);
  const [causal] = call({ attnMask: null, isCausal: true });
  t.true(distance(causal, output) < 1e-12);
  const one = query.select(0, 0);
  const [alone] = attention.forward(one, one, one, { attnMask });
  t.true(alone.allclose(slow.select(0, 0)));
  t.throws(() => new nn.MultiheadAttention(5, 2), { message: /2 heads/ });
});

test('connectionist temporal classification', (t) => {
  const targets = torch.tensor([[1n, 2n, 3n], [1n, 1n, 0n]]); // prettier-ignore
  const logProbs = stored(fixture.ctc.input);
  const loss = new nn.CTCLoss().forward(logProbs, targets, [6, 5], [3, 2]).item();
  t.true(Math.abs(loss - fixture.ctc.loss) < 1e-12);
  t.is(F.ctcLoss(logProbs, targets, [6, 5], [3, 2], { reduction: 'none' }).numel(), 2);
});

test('activations overwrite their input where asked to', (t) => {
  for (const make of [nn.ReLU6, nn.SELU, nn.Mish, nn.Hardswish, nn.Hardsigmoid]) {
    const x = torch.tensor([-1, 2, 7]);
    const expected = new make().forward(x.clone()).tolist();
    t.is(new make({ inplace: true }).forward(x), x);
    t.deepEqual(x.tolist(), expected);
  }
  t.is(String(new nn.ELU(1, { inplace: true })), 'ELU(alpha=1.0, inplace=True)');
});

test('mistakes in layers are refused', (t) => {
  const x = torch.zeros([2, 3, 4]);
  t.throws(() => new nn.Conv1d(3, 2, [1, 2] as never), { message: /kernel size \[1, 2\]/ });
  t.throws(() => new nn.BatchNorm1d(3).forward(x.unsqueeze(0)), { message: /BatchNorm1d.*\[B, 3, L\]/ });
  t.throws(() => new nn.InstanceNorm3d(3).forward(x), { message: /InstanceNorm3d/ });
  t.throws(() => new nn.Dropout1d(0.5).forward(torch.zeros([2])), { message: /Dropout1d/ });
  t.throws(() => new nn.Embedding(3, 2, { paddingIdx: 3 }), { message: /paddingIdx 3/ });
  t.throws(() => new nn.EmbeddingBag(3, 2).forward(torch.tensor([1n])), { message: /offsets/ });
  t.throws(() => new nn.AdaptiveAvgPool2d([1, 2, 3]), { message: /one output size or 2/ });
  t.throws(() => F.interpolate(x, { size: 2, mode: 'bilinear' }), { message: /\[B, C, H, W\]/ });
  t.throws(() => nn.init.eye_(torch.zeros([2])), { instanceOf: RangeError });
  t.throws(() => nn.init.dirac_(torch.zeros([3, 2, 1]), 2), { instanceOf: RangeError });
  t.throws(() => nn.init.calculateGain('x' as 'relu'), { message: /'x'/ });
});

for (const size of ['x', null, {}, [1], [1, 2, 3]]) {
  test(`a size that is neither a number nor two of them is refused by name: ${JSON.stringify(size)}`, (t) => {
    const message = /neither a number nor 2 of them/;
    t.throws(() => new nn.Conv2d(3, 4, size as never), { instanceOf: torch.ArgumentError, message });
    t.throws(() => F.avgPool2d(torch.ones([1, 1, 4, 4]), size as never), {
      instanceOf: torch.ArgumentError,
      message,
    });
  });
}
