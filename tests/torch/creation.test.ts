import test from 'ava';
import * as torch from '../../src/torch/index.js';
for (const [name, make] of Object.entries({
  empty: (options: never) => torch.empty([2], options),
  zeros: (options: never) => torch.zeros([2], options),
  full: (options: never) => torch.full([2], 1, options),
  randn: (options: never) => torch.randn([2], options),
  rand: (options: never) => torch.rand([2], options),
  randint: (options: never) => torch.randint(0, 5, [2], options),
  randperm: (options: never) => torch.randperm(4, options),
  arange: (options: never) => torch.arange(0, 4, 1, options),
  linspace: (options: never) => torch.linspace(0, 1, 4, options),
  eye: (options: never) => torch.eye(2, 2, options),
  tensor: (options: never) => torch.tensor([1], options),
  fromTypedArray: (options: never) => torch.fromTypedArray(new Float32Array(2), [2], options),
})) {
  test(`${name}: what is no object of options is refused by name`, (t) => {
    for (const options of [null, 3, 'cpu', torch.ones([1])])
      t.throws(() => make(options as never), {
        instanceOf: torch.ArgumentError,
        message: /takes (an options object|one to three numbers)/,
      });
  });
}

const everyDType: torch.DType[] = [
  ...(['float32', 'float64', 'float16', 'bfloat16', 'float8_e4m3fn', 'float8_e5m2', 'bool'] as const),
  ...(['int64', 'int32', 'int16', 'int8', 'uint8', 'uint16', 'uint32', 'uint64'] as const),
  ...(['complex32', 'complex64', 'complex128'] as const),
];
for (const dtype of everyDType) {
  test(`fromTypedArray takes back what toTypedArray gives: ${dtype}`, (t) => {
    for (const shape of [[2, 2], [0], []]) {
      const x = torch
        .arange(4)
        .sub(1)
        .abs()
        .narrow(0, 0, shape.length === 2 ? 4 : shape.length === 1 ? 0 : 1);
      const sent = x.to(dtype).view(shape);
      const back = torch.fromTypedArray(sent.toTypedArray(), sent.shape, { dtype: sent.dtype });
      t.is(back.dtype, dtype);
      t.deepEqual(back.shape, shape);
      t.deepEqual(back.to('complex128').tolist(), sent.to('complex128').tolist());
    }
  });
}

test('a typed array with a number for each element is converted to complex numbers', (t) => {
  const x = torch.fromTypedArray(Float32Array.of(1, 2), [2], { dtype: 'complex64' });
  t.deepEqual(x.toTypedArray(), Float32Array.of(1, 0, 2, 0));
  t.throws(() => torch.fromTypedArray(new Float32Array(3), [2], { dtype: 'complex64' }), {
    instanceOf: torch.ShapeError,
  });
});

test('a typed array whose buffer was transferred is an error that says so', (t) => {
  const array = Float32Array.of(1, 2);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  for (const make of [() => torch.tensor(array), () => torch.fromTypedArray(array, [0])])
    t.throws(make, { instanceOf: torch.ArgumentError, message: /its buffer was transferred/ });
});

for (const [what, element, message] of [
  ['a typed array', new Float32Array(2), /not Float32Array; make a tensor of each and join/],
  ['a tensor', torch.ones([2]), /not float32\[2\]; torch\.stack joins tensors/],
  ['a date', new Date(0), /not Date$/],
  ['null', null, /not null$/],
  ['a text', '1', /not string$/],
] as const) {
  test(`an element that is ${what} is called by its name`, (t) => {
    t.throws(() => torch.tensor([element] as never), { instanceOf: torch.ArgumentError, message });
  });
}
