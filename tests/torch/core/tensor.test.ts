import { runInNewContext } from 'node:vm';
import test from 'ava';
import fc from 'fast-check';
import * as torch from '../../../src/torch/index.js';
import type { DType } from '../../../src/torch/core/dtype.js';

const shapes = fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 });

test('a tensor tells its shape, dtype and device', (t) => {
  const x = torch.zeros([2, 3], { dtype: 'float64' });
  t.deepEqual(x.shape, [2, 3]);
  t.deepEqual(x.strides, [3, 1]);
  t.is(x.ndim, 2);
  t.is(x.numel(), 6);
  t.is(x.dtype, 'float64');
  t.is(x.device, 'cpu');
  t.false(x.requiresGrad);
  t.true(x.isLeaf);
});

test('elements come back from every dtype as they went in', (t) => {
  const values: [DType, number[]][] = [
    ['float32', [0.5, -1.25, 3]],
    ['float64', [0.1, -1e300, 3]],
    ['int64', [1, -2, 2 ** 52]],
    ['int32', [1, -2, 2 ** 31 - 1]],
    ['int16', [1, -2, 32767]],
    ['int8', [1, -2, 127]],
    ['uint8', [1, 2, 255]],
    ['float16', [0.5, -1.25, 3]],
    ['bfloat16', [0.5, -1.25, 3]],
  ];
  for (const [dtype, list] of values) {
    const x = torch.tensor(list, { dtype });
    t.is(x.dtype, dtype);
    t.deepEqual(x.tolist(), list, dtype);
  }
  t.deepEqual(torch.tensor([true, false]).tolist(), [true, false]);
});

test('numbers make float32, bigints int64, booleans bool, typed arrays their own type', (t) => {
  t.is(torch.tensor([1, 2]).dtype, 'float32');
  t.is(torch.tensor([1n, 2n]).dtype, 'int64');
  t.is(torch.tensor([true]).dtype, 'bool');
  t.is(torch.tensor(new Int16Array(2)).dtype, 'int16');
  t.is(torch.tensor(torch.complexScalar(1, 2)).dtype, 'complex64');
  t.is(torch.arange(3).dtype, 'float32');
  t.is(torch.full([1], 3).dtype, 'float32');
  t.is(torch.full([1], 3n).dtype, 'int64');
  t.deepEqual(torch.tensor(5).shape, []);
  t.is(torch.tensor([2n ** 53n], { dtype: 'int64' }).toTypedArray()[0], 2n ** 53n);
});

test('an int64 beyond 2^53 has no number', (t) => {
  const x = torch.tensor([2n ** 60n]);
  t.throws(() => x.item(), { instanceOf: torch.ArgumentError, message: /2\^53/ });
  t.throws(() => x.tolist(), { instanceOf: torch.ArgumentError });
  t.is(x.toTypedArray()[0], 2n ** 60n);
});

test('nested arrays survive the way into a tensor and back', (t) => {
  fc.assert(
    fc.property(shapes, (shape) => {
      const count = shape.reduce((product, size) => product * size, 1);
      const x = torch.arange(count).reshape(shape);
      const list = x.tolist();
      // An empty outer dimension hides the inner ones.
      if (count > 0) t.deepEqual(torch.tensor(list as number[]).shape, shape);
      if (count > 0) t.true(torch.tensor(list).equal(x));
      t.is((list as unknown[]).flat?.(Infinity)?.length ?? 1, count);
    }),
    { numRuns: 100 },
  );
});

test('uneven arrays and elements of other types are refused', (t) => {
  t.throws(() => torch.tensor([[1, 2], [3]]), { instanceOf: torch.ShapeError });
  t.throws(() => torch.tensor([[1], 2] as never), { instanceOf: torch.ShapeError });
  t.throws(() => torch.tensor(['a'] as never), { instanceOf: torch.ArgumentError });
});

test('to converts, moves nothing that is in place already, and takes options', (t) => {
  const x = torch.ones([2]);
  t.is(x.to('int64').dtype, 'int64');
  t.is(x.to({ dtype: 'float64' }).dtype, 'float64');
  t.is(x.to('cpu').storage.address, x.storage.address);
  t.not(x.to('cpu', { copy: true }).storage.address, x.storage.address);
  t.is(x.to(torch.ones([1], { dtype: 'bool' })).dtype, 'bool');
  t.throws(() => x.to('nonsense' as torch.Device), { instanceOf: torch.TorchError });
  t.throws(() => x.to('cuda:7'), { instanceOf: torch.TorchError });
});

test('data replaces the storage and keeps the object', (t) => {
  const x = torch.ones([2], { requiresGrad: true });
  x.data = torch.full([3], 4);
  t.deepEqual(x.tolist(), [4, 4, 4]);
  t.true(x.requiresGrad);
  t.false(x.data.requiresGrad);
});

test('random numbers are those of PyTorch for the same seed', (t) => {
  torch.manualSeed(0);
  t.deepEqual(torch.randn([3]).tolist(), [1.5409960746765137, -0.293428897857666, -2.1787893772125244]);
  const generator = new torch.Generator().manualSeed(5);
  const state = generator.getState();
  const first = torch.rand([4], { generator }).tolist();
  t.deepEqual(torch.rand([4], { generator: generator.setState(state) }).tolist(), first);
  t.is(generator.initialSeed(), 5n);
  torch.manualSeed(5);
  t.deepEqual(torch.rand([4]).tolist(), first);
  t.throws(() => torch.manualSeed(0.5), { instanceOf: RangeError });
});

const Half = (
  globalThis as { Float16Array?: new (from: ArrayLike<number> | ArrayBuffer) => torch.TypedArray }
).Float16Array;

test('float16 comes out as a Float16Array where the engine has it, and as its bits where not', (t) => {
  const x = torch.tensor([1, 1.5], { dtype: 'float16' });
  const pair = torch.callOperator('aten::complex', '', [x, x]) as torch.Tensor;
  if (Half) {
    t.deepEqual(x.toTypedArray(), new Half([1, 1.5]));
    t.deepEqual(pair.toTypedArray(), new Half([1, 1, 1.5, 1.5]));
  } else {
    t.deepEqual(x.toTypedArray(), new Uint16Array([0x3c00, 0x3e00]));
    t.deepEqual(pair.toTypedArray(), new Uint16Array([0x3c00, 0x3c00, 0x3e00, 0x3e00]));
  }
  t.deepEqual(x.to('bfloat16').toTypedArray(), new Uint16Array([0x3f80, 0x3fc0]));
  t.deepEqual(
    torch.fromTypedArray(new Uint16Array([0x3c00]), [1], { dtype: 'float16' }).tolist(),
    [1],
    'bits go in',
  );
});

(Half ? test : test.skip)('a Float16Array makes a float16 tensor, or what dtype says', (t) => {
  const values = new Half!([0.5, -1.25, 65504]);
  t.is(torch.tensor(values).dtype, 'float16');
  t.deepEqual(torch.tensor(values).toTypedArray(), values);
  t.deepEqual(torch.fromTypedArray(values, [3, 1]).tolist(), [[0.5], [-1.25], [65504]]);
  t.deepEqual(torch.tensor(values, { dtype: 'float32' }).tolist(), [0.5, -1.25, 65504]);
  t.is(torch.tensor(values, { dtype: 'bfloat16' }).dtype, 'bfloat16');
});

test('typed arrays of another realm are typed arrays', (t) => {
  const other = runInNewContext('new Float32Array([1, 2])') as Float32Array;
  t.deepEqual(torch.tensor(other).tolist(), [1, 2]);
  t.deepEqual(torch.fromTypedArray(other, [2, 1]).tolist(), [[1], [2]]);
  const bits = runInNewContext('new Uint16Array([0x3c00])') as Uint16Array;
  t.deepEqual(torch.fromTypedArray(bits, [1], { dtype: 'float16' }).tolist(), [1]);
});

for (const [what, value] of Object.entries({
  'a DataView': new DataView(new ArrayBuffer(4)),
  'an ArrayBuffer': new ArrayBuffer(4),
  'an object that says it is one': { [Symbol.toStringTag]: 'Float32Array', length: 1 },
})) {
  test(`${what} is no typed array`, (t) => {
    t.throws(() => torch.fromTypedArray(value as never, [1]), { instanceOf: torch.ArgumentError });
  });
}
