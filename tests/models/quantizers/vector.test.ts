import test from 'ava';
import * as torch from '../../../src/torch/index.js';
import type { Tensor } from '../../../src/torch/index.js';
import { VectorQuantizer } from '../../../src/models/quantizers/vector.js';
import type { VectorQuantizerConfig } from '../../../src/models/quantizers/vector.js';
import { EMAVectorQuantizer } from '../../../src/models/quantizers/ema.js';
import { GumbelQuantizer } from '../../../src/models/quantizers/gumbel.js';

const base = { nEmbed: 7, embedDim: 3, legacy: true };
const z = torch.keep(torch.randn([2, 3, 4, 5]));

test('legacy must be given', (t) => {
  const config = { nEmbed: 7, embedDim: 3 } as VectorQuantizerConfig;
  t.throws(() => new VectorQuantizer(config), { instanceOf: TypeError, message: /legacy is missing/ });
});

test('each position gets its nearest code, by plain arithmetic', (t) => {
  const quantizer = new VectorQuantizer(base);
  const codes = quantizer.embedding.weight.tolist() as number[][];
  const { quantized, indices } = quantizer.forward(z);
  const points = z.permute([0, 2, 3, 1]).reshape([-1, 3]).tolist() as number[][];
  const nearest = points.map((point) => {
    const distances = codes.map((code) => code.reduce((sum, c, i) => sum + (c - point[i]!) ** 2, 0));
    return distances.indexOf(Math.min(...distances));
  });
  t.deepEqual(indices.tolist(), nearest);
  t.true(quantized.allclose(quantizer.codes(indices.reshape([2, 4, 5])), 1e-5, 1e-6));
});

// The latent (0.4, 1): the first code is nearest to it, the second has the largest dot product, the third its direction.
const three = [0.3, 0.5, 5, 3, 0.04, 0.1];
const length = Math.sqrt(1.16);
const unit = [0.4 / length, 1 / length] as const;
for (const { lookup, index, code, point, gradient } of [
  { lookup: 'nearest', index: 0, code: [0.3, 0.5], point: [0.4, 1], gradient: [1, 0] },
  { lookup: 'dot', index: 1, code: [5, 3], point: [0.4, 1], gradient: [1, 0] },
  {
    lookup: 'cosine',
    index: 2,
    code: unit, // (0.04, 0.1) at length 1
    point: unit,
    gradient: [(1 - 0.16 / 1.16) / length, -(0.4 / 1.16) / length], // (1 − u uᵀ) / |z| times (1, 0)
  },
] as const) {
  test(`lookup ${lookup}: code, loss and gradient by hand`, (t) => {
    const quantizer = new VectorQuantizer({ nEmbed: 3, embedDim: 2, legacy: false, lookup });
    torch.noGrad(() => quantizer.embedding.weight.copy_(torch.tensor(three).view([3, 2])));
    const latent = torch.tensor([0.4, 1]).view([1, 2, 1, 1]).requiresGrad_();
    const { quantized, loss, indices } = quantizer.forward(latent);
    const near = (found: Tensor, expected: readonly number[]) =>
      t.true(
        found.flatten().allclose(torch.tensor([...expected]), 1e-5, 1e-6),
        JSON.stringify(found.tolist()),
      );
    t.deepEqual(indices.tolist(), [index]);
    near(quantized, code);
    near(quantizer.codes(indices.view([1, 1, 1])), code);
    near(loss, [1.25 * (((code[0] - point[0]) ** 2 + (code[1] - point[1]) ** 2) / 2)]);
    quantized.narrow(1, 0, 1).sum().backward();
    near(latent.grad!, gradient);
  });
}

test('a lookup that does not exist is refused with those that do', (t) => {
  t.throws(() => new VectorQuantizer({ ...base, lookup: 'dots' as never }), {
    message: /lookup must be one of "nearest", "dot", "cosine", got "dots"/,
  });
});

test('indices are flat, or a grid with saneIndexShape', (t) => {
  t.deepEqual(new VectorQuantizer(base).forward(z).indices.shape, [40]);
  const sane = new VectorQuantizer({ ...base, saneIndexShape: true }).forward(z).indices;
  t.deepEqual(sane.shape, [2, 4, 5]);
  t.is(sane.dtype, 'int64');
});

test('half precision is measured in float32', (t) => {
  const quantizer = new VectorQuantizer(base).to('bfloat16');
  const { quantized, loss } = quantizer.forward(z.to('bfloat16'));
  t.is(loss.dtype, 'float32');
  t.is(quantized.dtype, 'bfloat16');
});

const remaps: [string, (remap: number[] | Tensor, unknownIndex: 'random' | 'extra' | number) => Tensor][] = [
  [
    'VectorQuantizer',
    (remap, unknownIndex) => new VectorQuantizer({ ...base, remap, unknownIndex }).forward(z).indices,
  ],
  [
    'EMAVectorQuantizer',
    (remap, unknownIndex) =>
      new EMAVectorQuantizer({ nEmbed: 7, embedDim: 3, beta: 0.25, remap, unknownIndex }).forward(z).indices,
  ],
  [
    'GumbelQuantizer',
    (remap, unknownIndex) =>
      new GumbelQuantizer({ nEmbed: 7, embedDim: 3, numHiddens: 3, remap, unknownIndex }).forward(z).indices,
  ],
];
for (const [name, indicesOf] of remaps) {
  test(`${name}: remapped indices stay below their count`, (t) => {
    const largest = (indices: Tensor) => Number(indices.max().item());
    t.true(largest(indicesOf([1, 4], 'random')) <= 1);
    t.true(largest(indicesOf([1, 4], 'extra')) <= 2);
    t.true(largest(indicesOf(torch.tensor([1n, 4n]), 1)) <= 1);
    t.is(indicesOf([1, 4], 'random').numel(), 40);
  });
}

test('random tokens for unknown codes cover the used ones', (t) => {
  const quantizer = new VectorQuantizer({ ...base, remap: [1, 4, 6], unknownIndex: 'random' });
  const tokens = quantizer.remapToUsed(torch.zeros([400], { dtype: 'int64' })).tolist() as number[];
  t.deepEqual(
    [...new Set(tokens)].sort((a, b) => a - b),
    [0, 1, 2],
  );
});

test('used codes are in the state dict under used', (t) => {
  const quantizer = new VectorQuantizer({ ...base, remap: [1, 4], unknownIndex: 'extra' });
  t.deepEqual([...quantizer.stateDict().keys()], ['used', 'embedding.weight']);
  t.is(quantizer.reEmbed, 3);
  t.deepEqual([...new VectorQuantizer(base).stateDict().keys()], ['embedding.weight']);
});

test('what remap cannot be is an error', (t) => {
  const make = (more: object) => () => new VectorQuantizer({ ...base, ...more });
  t.throws(make({ remap: [7] }), { instanceOf: RangeError, message: /codes 0 to 6/ });
  t.throws(make({ remap: [0.5] }), { instanceOf: TypeError, message: /integer code indices/ });
  t.throws(make({ remap: [] }), { instanceOf: torch.ShapeError, message: /at least one/ });
  t.throws(make({ remap: [1], unknownIndex: 1 }), { instanceOf: RangeError, message: /'random', 'extra'/ });
});

test('latents and indices of the wrong kind are errors', (t) => {
  const quantizer = new VectorQuantizer(base);
  t.throws(() => quantizer.forward(torch.zeros([2, 4, 4, 4])), {
    instanceOf: torch.ShapeError,
    message: /\[B, 3, h, w\]/,
  });
  t.throws(() => quantizer.codes(torch.zeros([1, 2, 2])), { instanceOf: torch.DTypeError, message: /int64/ });
});

test('the moving-average codebook changes in training only', (t) => {
  const quantizer = new EMAVectorQuantizer({ nEmbed: 7, embedDim: 3, beta: 0.25 }).eval();
  const before = quantizer.embedding.weight.detach().clone();
  quantizer.forward(z);
  t.true(quantizer.embedding.weight.equal(before));
  quantizer.train().forward(z);
  t.false(quantizer.embedding.weight.equal(before));
});

test('Gumbel samples are hard in evaluation and differ from call to call', (t) => {
  const quantizer = new GumbelQuantizer({
    nEmbed: 64,
    embedDim: 3,
    numHiddens: 3,
    straightThrough: false,
  }).eval();
  const { quantized, indices } = quantizer.forward(z);
  t.true(quantized.allclose(quantizer.codes(indices), 1e-5, 1e-6));
  t.false(quantizer.forward(z).indices.equal(indices));
  const soft = quantizer.train().forward(z);
  t.false(soft.quantized.allclose(quantizer.codes(soft.indices), 1e-5, 1e-6));
});
