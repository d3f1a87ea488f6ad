import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import test from 'ava';
import * as torch from '../../../src/torch/index.js';
import type { Tensor } from '../../../src/torch/index.js';
import * as nn from '../../../src/torch/nn/index.js';

interface Expected {
  keys: string[];
  sha256: string;
  next: number;
}

const fixture = JSON.parse(
  readFileSync(new URL('../../fixtures/initial-weights.json', import.meta.url), 'utf8'),
) as { seed: number; layers: Record<string, Expected> };

const filled = (fill: (weight: Tensor) => void): Map<string, Tensor> => {
  const weight = torch.empty([6, 5, 3, 3]);
  fill(weight);
  return new Map([['weight', weight]]);
};

const cases: Record<string, () => nn.Module | Map<string, Tensor>> = {
  linear: () => new nn.Linear(13, 7),
  'linear without bias': () => new nn.Linear(13, 7, { bias: false }),
  'linear float64': () => new nn.Linear(13, 7, { dtype: 'float64' }),
  'linear bfloat16': () => new nn.Linear(13, 7, { dtype: 'bfloat16' }),
  conv2d: () => new nn.Conv2d(6, 10, 3, { padding: 1 }),
  'conv2d without bias': () => new nn.Conv2d(6, 10, [3, 1], { bias: false }),
  'conv2d grouped': () => new nn.Conv2d(6, 12, 4, { stride: 2, groups: 3 }),
  convTranspose2d: () => new nn.ConvTranspose2d(6, 10, 4, { stride: 2, padding: 1 }),
  'convTranspose2d grouped': () => new nn.ConvTranspose2d(6, 12, 3, { groups: 2 }),
  groupNorm: () => new nn.GroupNorm(2, 6),
  layerNorm: () => new nn.LayerNorm(11),
  'layerNorm over two dimensions': () => new nn.LayerNorm([4, 3]),
  batchNorm2d: () => new nn.BatchNorm2d(9),
  embedding: () => new nn.Embedding(17, 8),
  'embedding small': () => new nn.Embedding(3, 4),
  stack: () =>
    new nn.Sequential(
      new nn.Conv2d(3, 8, 3),
      new nn.BatchNorm2d(8),
      new nn.LeakyReLU(0.2),
      new nn.Conv2d(8, 4, 1),
      new nn.Embedding(5, 6),
      new nn.Linear(6, 2),
    ),
  'init uniform': () => filled((w) => nn.init.uniform_(w, -0.3, 0.7)),
  'init normal': () => filled((w) => nn.init.normal_(w, 0.5, 0.02)),
  'init kaimingUniform': () => filled((w) => nn.init.kaimingUniform_(w, { nonlinearity: 'relu' })),
  'init kaimingUniform fanOut': () => filled((w) => nn.init.kaimingUniform_(w, { a: 0.2, mode: 'fanOut' })),
  'init kaimingNormal': () => filled((w) => nn.init.kaimingNormal_(w, { nonlinearity: 'relu' })),
  'init xavierUniform': () => filled((w) => nn.init.xavierUniform_(w, 1.5)),
  'init xavierNormal': () => filled((w) => nn.init.xavierNormal_(w)),
  'init truncNormal': () => filled((w) => nn.init.truncNormal_(w, 0, 0.8, -0.5, 1)),
  'init truncNormal tail': () => filled((w) => nn.init.truncNormal_(w, 0, 1, 1.5, 3)),
};

function digest(tensors: Iterable<Tensor>): string {
  const hash = createHash('sha256');
  for (const tensor of tensors) {
    const values = tensor.toTypedArray();
    hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  return hash.digest('hex');
}

test('the fixture and this file list the same layers', (t) => {
  t.deepEqual(Object.keys(cases), Object.keys(fixture.layers));
});

for (const [name, make] of Object.entries(cases)) {
  test(`one seed gives PyTorch's weights: ${name}`, (t) => {
    const expected = fixture.layers[name] as Expected;
    torch.manualSeed(fixture.seed);
    const made = make();
    const state = made instanceof nn.Module ? made.stateDict() : made;
    t.deepEqual([...state.keys()], expected.keys);
    t.is(digest(state.values()), expected.sha256);
    t.is(torch.rand([]).item(), expected.next, 'as many random numbers were drawn');
  });
}

test('skipInit draws nothing but sets buffers', (t) => {
  torch.manualSeed(1);
  const before = torch.rand([]).item();
  torch.manualSeed(1);
  const layers = nn.skipInit(() => {
    t.false(nn.initEnabled());
    return [
      new nn.Conv2d(3, 4, 3),
      new nn.BatchNorm2d(4),
      new nn.Embedding(4, 4),
      new nn.LayerNorm(4),
    ] as const;
  });
  t.true(nn.initEnabled());
  t.is(torch.rand([]).item(), before);
  t.deepEqual(layers[1].runningVar?.tolist(), [1, 1, 1, 1]);
  t.throws(
    () =>
      nn.skipInit(() => {
        throw new Error('inside');
      }),
    { message: 'inside' },
  );
  t.true(nn.initEnabled());
});

test('fans need two dimensions', (t) => {
  t.throws(() => nn.init.kaimingUniform_(torch.empty([4])), { instanceOf: RangeError, message: /\[4\]/ });
});

test('truncated normal stays inside its bounds', (t) => {
  const w = nn.init.truncNormal_(torch.empty([20_000]), 0, 1, -1, 0.5);
  t.true(w.min().item() >= -1 && w.max().item() <= 0.5);
});
