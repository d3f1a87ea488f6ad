import test from 'ava';
import fc from 'fast-check';
import * as torch from '../../../src/torch/index.js';
import { camelCase, parseSchema } from '../../../src/torch/core/schema.js';

const x = torch.tensor([
  [1, 2],
  [3, 4],
]);

test('the overload follows the types of the arguments', (t) => {
  t.deepEqual(x.add(x).tolist(), [
    [2, 4],
    [6, 8],
  ]);
  t.deepEqual(x.add(1).tolist(), [
    [2, 3],
    [4, 5],
  ]);
  t.is(x.max().item(), 4);
  t.deepEqual(
    x.max(1).map((part) => part.tolist()),
    [
      [2, 4],
      [1, 1],
    ],
  );
  t.deepEqual(x.max(x.neg()).tolist(), x.tolist());
  t.is(x.sum().item(), 10);
  t.deepEqual(x.sum(0).tolist(), [4, 6]);
  t.deepEqual(x.sum([0, 1]).tolist(), 10);
  t.is(x.std().item().toFixed(4), '1.2910');
  t.deepEqual(torch.split(x, 1).length, 2);
  t.deepEqual(torch.where(x.gt(2), x, 0).tolist(), [
    [0, 0],
    [3, 4],
  ]);
  t.deepEqual(torch.pow(2, x).tolist(), [
    [2, 4],
    [8, 16],
  ]);
});

test('options name any argument that is not given', (t) => {
  t.deepEqual(x.sum([1], { keepdim: true }).tolist(), [[3], [7]]);
  t.deepEqual(x.sum({ dim: 1, keepdim: true }).tolist(), [[3], [7]]);
  t.is(x.std({ correction: 0 }).item().toFixed(4), '1.1180');
  t.deepEqual(x.add(x, { alpha: 2 }).tolist(), [
    [3, 6],
    [9, 12],
  ]);
  t.deepEqual(x.div(3, { roundingMode: 'floor' }).tolist(), [
    [0, 0],
    [1, 1],
  ]);
  t.is(x.sum({ dtype: 'int64' }).dtype, 'int64');
});

test('a whole number is an integer scalar, a fraction and floatScalar are floats', (t) => {
  const ints = torch.tensor([1n, 2n]);
  t.is(ints.add(2).dtype, 'int64');
  t.is(ints.add(0.5).dtype, 'float32');
  t.is(ints.add(torch.floatScalar(2)).dtype, 'float32');
  t.is(ints.add(torch.complexScalar(0, 1)).dtype, 'complex64');
  t.is(ints.add(true).dtype, 'int64');
  // -0 as an integer would lose its sign.
  t.true(Object.is(torch.tensor([0]).mul(-0).item(), -0));
});

test('an operator in place gives back the same object', (t) => {
  const y = torch.zeros([2]);
  t.is(y.add_(1), y);
  t.deepEqual(y.tolist(), [1, 1]);
  const out = torch.zeros([2, 2]);
  t.is(torch.callOperator('aten::add', 'out', [x, x], { out }), out);
  t.deepEqual(out.tolist(), [
    [2, 4],
    [6, 8],
  ]);
});

test('lists, optional lists, strings, devices and several results cross over', (t) => {
  t.deepEqual(torch.cat([x, x], 1).shape, [2, 4]);
  t.deepEqual(
    x.unbind(1).map((part) => part.tolist()),
    [
      [1, 3],
      [2, 4],
    ],
  );
  t.deepEqual(torch.einsum('ij,kj->ik', [x, x]).tolist(), [
    [5, 11],
    [11, 25],
  ]);
  t.deepEqual(torch.callOperator('aten::index', 'Tensor', [x, [null, torch.tensor([1n])]]).tolist(), [
    [2],
    [4],
  ]);
  t.is(torch.callOperator('aten::zeros', '', [[2]], { device: 'meta' }).device, 'meta');
  t.deepEqual(
    torch.meshgrid([torch.arange(2), torch.arange(3)]).map((part) => part.shape),
    [
      [2, 3],
      [2, 3],
    ],
  );
  t.is(torch.callOperator('aten::_foreach_add', 'Scalar', [[x, x], 1]).length, 2);
  t.is(torch.callOperator('aten::_foreach_add_', 'Scalar', [[x.clone()], 1]), undefined);
  t.true(x.equal(x));
  t.is(torch.callOperator('aten::size', 'int', [x, 1]), 2);
  t.is(torch.zeros([70_000, 1]).unbind().length, 70_000);
});

test('shapes of any length, in numbers or bigints, and shapes that are none', (t) => {
  const x = torch.arange(24);
  t.deepEqual(x.view([2, -1]).shape, [2, 12]);
  t.deepEqual(x.view([2n, 12] as never).shape, [2, 12]);
  t.deepEqual(x.view([1, 1, 1, 1, 1, 1, 1, 1, 2, 12]).shape, [1, 1, 1, 1, 1, 1, 1, 1, 2, 12]);
  t.deepEqual(x.at(0).view([]).shape, []);
  for (const shape of [[2, 2.5], [2, 1e300], [NaN], [Infinity]]) {
    t.throws(() => x.view(shape), { instanceOf: torch.ArgumentError }, String(shape));
  }
  for (const shape of [[5, 5], [-2, 12], [-1, -1], [2 ** 52]]) {
    t.throws(() => x.view(shape), { instanceOf: torch.TorchError }, String(shape));
  }
});

test('complex numbers go in and come out', (t) => {
  const z = torch.tensor([torch.complexScalar(1, 2)]);
  t.deepEqual(z.mul(torch.complexScalar(0, 1)).tolist(), [torch.complexScalar(-2, 1)]);
  t.deepEqual(Array.from(z.conj().toTypedArray() as Float32Array), [1, -2]);
});

interface Refusal {
  call: () => unknown;
  error: new (...args: never[]) => Error;
  message: RegExp;
}
const refusals: Record<string, Refusal> = {
  'shapes that do not fit': {
    call: () => x.add(torch.ones([3])),
    error: torch.ShapeError,
    message: /aten::add\.Tensor\(float32\[2, 2\], float32\[3\]\)/,
  },
  'matrix sizes': {
    call: () => x.matmul(torch.ones([3, 3])),
    error: torch.ShapeError,
    message: /aten::matmul/,
  },
  'a dimension that is not there': {
    call: () => x.sum(5),
    error: torch.IndexError,
    message: /Dimension out of range/,
  },
  'an index beyond the end': { call: () => x.select(0, 9), error: torch.IndexError, message: /select/ },
  'a dtype an operator cannot work with': {
    call: () => x.bitwiseAnd(x),
    error: torch.TorchError,
    message: /not implemented/,
  },
  'a string for a tensor': {
    call: () => (x as never as { add(s: string): void }).add('a'),
    error: torch.ArgumentError,
    message: /aten::add does not take \(float32\[2, 2\], 'a'\)/,
  },
  'an unknown option': {
    call: () => x.sum({ keepDims: true } as never),
    error: torch.ArgumentError,
    message: /does not take/,
  },
  'too many arguments': {
    call: () => (x.relu as (...args: unknown[]) => unknown).call(x, 1, 2, 3),
    error: torch.ArgumentError,
    message: /at most/,
  },
  'a fraction for an integer': {
    call: () => torch.callOperator('aten::sum', 'dim_IntList', [x, [0.5]]),
    error: torch.ArgumentError,
    message: /'dim'/,
  },
  'null for a tensor': {
    call: () => torch.callOperator('aten::relu', '', [null]),
    error: torch.ArgumentError,
    message: /takes Tensor, not null/,
  },
  'a missing argument': {
    call: () => torch.callOperator('aten::add', 'Tensor', [x]),
    error: torch.ArgumentError,
    message: /'other' \(Tensor\) is missing/,
  },
  'an unknown keyword': {
    call: () => torch.callOperator('aten::add', 'Tensor', [x, x], { beta: 1 }),
    error: torch.ArgumentError,
    message: /no argument 'beta'/,
  },
  'two values for one argument': {
    call: () => torch.callOperator('aten::add', 'Tensor', [x, x], { other: x }),
    error: torch.ArgumentError,
    message: /two values/,
  },
  'an operator that does not exist': {
    call: () => torch.callOperator('aten::nonsense'),
    error: torch.NotImplementedError,
    message: /aten::nonsense/,
  },
  'a function for a value': {
    call: () => torch.callOperator('aten::relu', '', [() => 1]),
    error: torch.ArgumentError,
    message: /function/,
  },
  'a bigint beyond 64 bits': { call: () => x.add(2n ** 70n), error: torch.ArgumentError, message: /64 bits/ },
  'more memory than there is': {
    call: () => torch.empty([2 ** 45]),
    error: torch.OutOfMemoryError,
    message: /memory/,
  },
  'backward of nothing recorded': {
    call: () => x.sum().backward(),
    error: torch.AutogradError,
    message: /does not require grad/,
  },
};
for (const [what, { call, error, message }] of Object.entries(refusals)) {
  test(`an error names the operator and its arguments: ${what}`, (t) => {
    const thrown: Error = t.throws(call, { instanceOf: error as never, message });
    t.notRegex(thrown.message, /Exception raised from|frame #/, 'no C++ backtrace');
  });
}

test('the C++ backtrace stays under cause', (t) => {
  const error = t.throws(() => x.add(torch.ones([3])));
  t.true(error.cause instanceof Error);
});

test('schemas are read in full', (t) => {
  const schema = parseSchema(
    'aten::f.o(Tensor(a!) self, Tensor?[] i, SymInt[2]? s=[1, 1], *, str m="a,b(", Generator? g=None) -> (Tensor(a!), Tensor[])',
  );
  t.is(schema.name, 'aten::f');
  t.is(schema.overload, 'o');
  t.deepEqual(
    schema.arguments.map(({ name, base, list, optional, size, elementOptional, keywordOnly, written }) => ({
      name,
      base,
      list,
      optional,
      size,
      elementOptional,
      keywordOnly,
      written,
    })),
    [
      {
        name: 'self',
        base: 'Tensor',
        list: false,
        optional: false,
        size: null,
        elementOptional: false,
        keywordOnly: false,
        written: 'a',
      },
      {
        name: 'i',
        base: 'Tensor',
        list: true,
        optional: false,
        size: null,
        elementOptional: true,
        keywordOnly: false,
        written: null,
      },
      {
        name: 's',
        base: 'int',
        list: true,
        optional: true,
        size: 2,
        elementOptional: false,
        keywordOnly: false,
        written: null,
      },
      {
        name: 'm',
        base: 'str',
        list: false,
        optional: false,
        size: null,
        elementOptional: false,
        keywordOnly: true,
        written: null,
      },
      {
        name: 'g',
        base: 'Generator',
        list: false,
        optional: true,
        size: null,
        elementOptional: false,
        keywordOnly: true,
        written: null,
      },
    ],
  );
  t.deepEqual(
    schema.returns.map(({ type, written }) => [type, written]),
    [
      ['Tensor', 'a'],
      ['Tensor[]', null],
    ],
  );
  t.is(camelCase('masked_fill_'), 'maskedFill_');
  t.is(camelCase('linalg_norm'), 'linalgNorm');
});

test('whatever is passed to the typed API is an error or a result, never a crash', (t) => {
  const value: fc.Arbitrary<unknown> = fc.oneof(
    fc.integer({ min: -3, max: 3 }),
    fc.double(),
    fc.boolean(),
    fc.constant(null),
    fc.constant(undefined),
    fc.string({ maxLength: 4 }),
    fc.array(fc.integer({ min: -2, max: 3 }), { maxLength: 3 }),
    fc.constantFrom(
      torch.ones([2, 2]),
      torch.ones([]),
      torch.zeros([0]),
      torch.tensor([1n]),
      torch.tensor([true]),
    ),
    fc.object({ maxDepth: 1 }),
  );
  const names = [
    'add',
    'matmul',
    'sum',
    'reshape',
    'permute',
    'transpose',
    'softmax',
    'gather',
    'maskedFill',
    'clamp',
    'topk',
    'expand',
    'mul_',
    'norm',
    'fmod',
    'narrow',
  ] as const;
  fc.assert(
    fc.property(fc.constantFrom(...names), fc.array(value, { maxLength: 4 }), (name, args) => {
      torch.scope(() => {
        try {
          (x.clone() as never as Record<string, (...args: unknown[]) => unknown>)[name]!(...args);
        } catch (error) {
          if (!(error instanceof torch.TorchError)) throw error;
        }
      });
    }),
    { numRuns: 2000 },
  );
  t.pass();
});
