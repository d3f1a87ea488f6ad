import test from 'ava';
import * as torch from '../../../src/torch/index.js';
import * as nn from '../../../src/torch/nn/index.js';

const layerOf = (inputs: number, outputs: number, bias = true) => {
  torch.manualSeed(inputs + outputs);
  return new nn.Linear(inputs, outputs, { bias });
};

for (const [rows, inputs, outputs, bias] of [
  [1, 256, 1024, true],
  [1, 1024, 257, false],
  [8, 300, 768, true],
  [64, 256, 256, true],
] as const) {
  test(`products of ${rows} rows with ${inputs} × ${outputs} packed weights are those of the layer`, (t) => {
    const layer = layerOf(inputs, outputs, bias);
    const x = torch.randn([rows, 1, inputs]);
    const expected = torch.noGrad(() => layer.forward(x));
    const found = nn.withPackedWeights([layer], { rows }, () => {
      t.is(layer.packed?.rows, rows);
      torch.scope(() => void layer.weight.zero_()); // The copy is read, so this does not show.
      return layer.forward(x);
    });
    t.deepEqual(found.shape, [rows, 1, outputs]);
    t.true(found.sub(expected).abs().max().item() < 1e-5 * expected.abs().max().item());
    t.is(layer.packed, undefined);
    t.true(
      torch.noGrad(() =>
        layer
          .forward(x)
          .sub(layer.bias ?? torch.zeros([1]))
          .eq(0)
          .all()
          .item(),
      ),
    );
  });
}

test('inputs of another number of rows take the weights themselves', (t) => {
  const layer = layerOf(256, 256);
  const x = torch.randn([3, 256]);
  const expected = torch.noGrad(() => layer.forward(x)).tolist();
  t.deepEqual(nn.withPackedWeights([layer], { rows: 2 }, () => layer.forward(x)).tolist(), expected);
});

test('weights are left as they are where packing does not pay or does not apply', (t) => {
  const isPacked = (layer: nn.Linear, options: nn.PackOptions) =>
    nn.withPackedWeights([layer], options, () => layer.packed !== undefined);
  t.true(isPacked(layerOf(256, 256), { rows: 8 }));
  t.false(isPacked(layerOf(255, 256), { rows: 8 }));
  t.false(isPacked(layerOf(256, 256), { rows: 65 }));
  t.false(isPacked(layerOf(256, 256), { rows: 0 }));
  t.false(isPacked(layerOf(256, 256).double(), { rows: 8 }));
  t.false(isPacked(layerOf(256, 256).to('bfloat16'), { rows: 8 }));
  t.false(nn.withPackedWeights([new nn.Bilinear(64, 64, 64)], { rows: 8 }, () => false));
  const layers = [layerOf(256, 256), layerOf(1024, 1024), layerOf(256, 256)];
  const whichOf = (options: nn.PackOptions) =>
    nn.withPackedWeights(layers, options, () => layers.map((one) => one.packed !== undefined));
  t.deepEqual(whichOf({ rows: 1, mostBytes: 2 * 4 * 256 * 256 }), [true, false, true]);
  const budget = torch.memoryBudget();
  torch.setMemoryBudget(torch.memory().bytes['cpu']! + 2 ** 20);
  try {
    t.deepEqual(whichOf({ rows: 1 }), [true, false, true], 'there is no memory for a copy');
  } finally {
    torch.setMemoryBudget(budget);
  }
});

test('a bias that does not lie in a row, or has another dtype or size, leaves its layer as it is', (t) => {
  const many = torch.randn([256, 2]);
  for (const bias of [many.select(1, 0), torch.ones([1]).expand([256]), torch.ones([1])]) {
    const one: nn.Affine = { weight: torch.randn([256, 256]), bias };
    const x = torch.randn([2, 256]);
    const expected = torch.linear(x, one.weight, bias);
    t.true(nn.withPackedWeights([one], { rows: 2 }, () => nn.affine(x, one)).equal(expected));
  }
});

test('gradients and autocast inside the function take the weights themselves', (t) => {
  const layer = layerOf(256, 256);
  const x = torch.randn([2, 256]);
  nn.withPackedWeights([layer], { rows: 2 }, () => torch.enableGrad(() => layer.forward(x).sum().backward()));
  t.true(layer.weight.grad!.abs().sum().item() > 0);
  t.is(
    nn.withPackedWeights([layer], { rows: 2 }, () => torch.autocast('cpu', () => layer.forward(x).dtype)),
    'bfloat16',
  );
  const wrong = { instanceOf: torch.ShapeError };
  t.throws(
    () => nn.withPackedWeights([layer], { rows: 2 }, () => layer.forward(torch.ones([1, 512]))),
    wrong,
  );
});

test('copies are freed at the end, also after an error, and once where calls are nested', (t) => {
  const [first, second] = [layerOf(256, 256), layerOf(256, 256)];
  const layers = [first, first, second];
  const before = torch.memory().tensors;
  const fail = () => {
    throw new Error('stop');
  };
  t.throws(() => nn.withPackedWeights(layers, { rows: 1 }, fail), { message: 'stop' });
  nn.withPackedWeights(layers, { rows: 1 }, () => {
    const outer = layers.map((one) => one.packed);
    nn.withPackedWeights(layers, { rows: 1 }, () => {});
    t.deepEqual(
      layers.map((one) => one.packed),
      outer,
    );
  });
  t.is(torch.memory().tensors, before);
  t.deepEqual(
    layers.map((one) => one.packed),
    [undefined, undefined, undefined],
  );
});
