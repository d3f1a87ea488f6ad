import test from 'ava';
import * as torch from '../../../src/torch/index.js';

const { Tensor, ArgumentError, ShapeError, DisposedError, TorchError } = torch;
const x = torch.randn([2, 3, 4]);
const logits = torch.randn([4, 3]);
const target = torch.tensor([0n, 1n, 2n, 0n]);
const csr = torch.eye(2).toSparse({ layout: 'sparse_csr' });
const state = torch.zeros([1, 2, 5]);
const weights = [torch.randn([20, 4]), torch.randn([20, 5]), torch.randn([20]), torch.randn([20])];
const sequence = torch.randn([3, 2, 4]);

interface Refusal {
  call: () => unknown;
  operator: string;
  message: RegExp;
}

const refusals: Record<string, Refusal> = {
  'a reduction that is none': {
    call: () => logits.crossEntropyLoss(target, null, 99 as never),
    operator: 'aten::cross_entropy_loss',
    message: /'reduction' must be one of 0 \(none\), 1 \(mean\), 2 \(sum\), not 99/,
  },
  'padding whose sum leaves 64 bits': {
    call: () => torch.replicationPad3d(torch.ones([1, 2, 3, 3, 3]), (2n ** 63n - 1n) as never),
    operator: 'aten::replication_pad3d',
    message: /'padding' must be at most 2\^40/,
  },
  'distances of no rows, with a gradient': {
    call: () => torch.pdist(torch.ones([0, 9], { requiresGrad: true }), 1.5),
    operator: 'aten::pdist',
    message: /'self' must have at least one row/,
  },
  'zero points between whole numbers for qint32': {
    call: () => torch.quantizePerChannel(torch.ones([4]), torch.ones([4]), torch.zeros([4]), 0, 'qint32'),
    operator: 'aten::quantize_per_channel',
    message: /'zero_points' of qint32 must be integers, not float32/,
  },
  'modes of a grid sampler': {
    call: () => torch.gridSampler(torch.ones([1, 1, 2, 2]), torch.ones([1, 2, 2, 2]), 0, -1 as never, true),
    operator: 'aten::grid_sampler',
    message: /'padding_mode'/,
  },
  'a layout that no tensor is created in': {
    call: () => x.newZeros([2], { layout: 'mkldnn' }),
    operator: 'aten::new_zeros',
    message: /layout 'mkldnn'/,
  },
  'statistics of another length than there are channels': {
    call: () => torch.nativeBatchNorm(x, null, null, torch.ones([2]), torch.ones([3]), false, 0.1, 1e-5),
    operator: 'aten::native_batch_norm',
    message: /'running_mean' must have shape \[3\]/,
  },
  'evaluation without statistics': {
    call: () => torch.nativeBatchNorm(x, null, null, null, null, false, 0.1, 1e-5),
    operator: 'aten::native_batch_norm',
    message: /running_mean/,
  },
  'no groups': {
    call: () => torch.nativeGroupNorm(x, null, null, 2, 3, 4, 0, 1e-5),
    operator: 'aten::native_group_norm',
    message: /'group' must be at least 1/,
  },
  'elements that are not there': {
    call: () => torch.nativeGroupNorm(x, null, null, 2, 3, 400, 1, 1e-5),
    operator: 'aten::native_group_norm',
    message: /number of elements, 24/,
  },
  'bounds that no float holds': {
    call: () => x.clone().random_(2n ** 63n - 1n, null),
    operator: 'aten::random_.from',
    message: /2\^53/,
  },
  'a degree that takes years': {
    call: () => torch.specialLegendrePolynomialP(x, 2 ** 32),
    operator: 'aten::special_legendre_polynomial_p.n_scalar',
    message: /degree/,
  },
  'degrees in a tensor': {
    call: () => torch.specialLegendrePolynomialP(x, torch.tensor([1, 2 ** 32])),
    operator: 'aten::special_legendre_polynomial_p',
    message: /degree/,
  },
  'more parts than there can be tensors': {
    call: () => torch.zeros([2, 2, 0]).dsplit(10_000_000),
    operator: 'aten::dsplit.int',
    message: /parts/,
  },
  'indices outside a sparse matrix': {
    call: () => torch.sparseCsrTensor(csr.crowIndices(), csr.colIndices().add(7), csr.values(), [2, 2]),
    operator: 'aten::sparse_csr_tensor.crow_col_value_size',
    message: /col_indices/,
  },
  'indices that the size does not tell': {
    call: () => torch.sparseCsrTensor(csr.crowIndices().add(1), csr.colIndices(), csr.values()),
    operator: 'aten::sparse_csr_tensor.crow_col_value',
    message: /crow_indices/,
  },
  'coordinates outside': {
    call: () => torch.sparseCooTensor(torch.tensor([[0n, 5n]]), torch.ones([2]), [2]),
    operator: 'aten::sparse_coo_tensor.indices_size',
    message: /index/,
  },
  'a kernel longer than any input': {
    call: () => x.maxPool1d([2 ** 32]),
    operator: 'aten::max_pool1d',
    message: /'kernel_size' must be at most/,
  },
  'a mode of bags that is none': {
    call: () => torch.embeddingBag(logits, target, torch.tensor([0n]), false, 60 as never),
    operator: 'aten::embedding_bag',
    message: /'mode' must be 0 \(sum\)/,
  },
  'offsets that are not there': {
    call: () => torch.embeddingBag(logits, target, torch.zeros([1, 0], { dtype: 'int64' })),
    operator: 'aten::embedding_bag',
    message: /'offsets' must be 1-dimensional/,
  },
  'memory that is not there': {
    call: () => (torch.callOperator('aten::_efficientzerotensor', '', [[2]]) as torch.Tensor).resize_([9]),
    operator: 'aten::resize_',
    message: /clone it first/,
  },
  'a decomposition that was never unpacked': {
    call: () => {
      const [lu, pivots] = torch.linalgLuFactor(torch.eye(3).requiresGrad_());
      torch.luUnpack(lu, pivots, false, false);
    },
    operator: 'aten::lu_unpack',
    message: /detach/,
  },
  'rows without end': {
    call: () => x.adaptiveAvgPool2d([2 ** 32, 0]),
    operator: 'aten::adaptive_avg_pool2d',
    message: /'output_size' must be at most/,
  },
  'eigenvalues of what is no number': {
    call: () => torch.full([3, 3], Number.NaN).linalgEigvals(),
    operator: 'aten::linalg_eigvals',
    message: /finite/,
  },
  'trials without end': {
    call: () => torch.binomial(torch.tensor([Number.NaN]), torch.tensor([0.5])),
    operator: 'aten::binomial',
    message: /'count' contains NaN/,
  },
  'memory behind the source': {
    call: () => torch.ones([6]).set_(torch.ones([6]), 2, [3, 3, 1, 2 ** 32]),
    operator: 'aten::set_.source_Tensor_storage_offset',
    message: /'source' holds 6/,
  },
  'more memory than the budget': {
    call: () => torch.ones([2]).resize_([6, 2 ** 40]),
    operator: 'aten::resize_',
    message: /budget/,
  },
  'a power that is never reached': {
    call: () => torch.ones([2, 2]).matrixPower(-(2n ** 63n)),
    operator: 'aten::matrix_power',
    message: /2\^53/,
  },
  'groups of no heads': {
    call: () => {
      const none = torch.ones([1, 0, 3, 2]);
      torch.scaledDotProductAttention(torch.ones([1, 2, 3, 2]), none, none, { enableGqa: true });
    },
    operator: 'aten::scaled_dot_product_attention',
    message: /head/,
  },
  'a missing state': {
    call: () => torch.lstm(sequence, [state], weights, true, 1, 0, false, false, false),
    operator: 'aten::lstm.input',
    message: /two states/,
  },
  'weights of another size': {
    call: () =>
      torch.lstm(
        sequence,
        [state, state],
        [weights[1]!, ...weights.slice(1)],
        true,
        1,
        0,
        false,
        false,
        false,
      ),
    operator: 'aten::lstm.input',
    message: /'params'\[0\] must have shape \[20, 4\], not \[20, 5\]/,
  },
  'rows that are not there': {
    call: () =>
      torch.lstm(
        torch.randn([3, 4]),
        torch.tensor([2n, 2n]),
        [state, state],
        weights,
        true,
        1,
        0,
        false,
        false,
      ),
    operator: 'aten::lstm.data',
    message: /'batch_sizes'.* 3 rows/,
  },
};

for (const [what, { call, operator, message }] of Object.entries(refusals)) {
  test(`refused before the call: ${what}`, (t) => {
    const error = t.throws(call, { instanceOf: TorchError, message });
    t.is(error.operator, operator);
    // The second call goes the way that the first has paved.
    t.throws(call, { instanceOf: TorchError, message });
  });
}

test('what is checked still works', (t) => {
  t.is(typeof logits.crossEntropyLoss(target, null, 1).item(), 'number');
  t.deepEqual(torch.nativeGroupNorm(x, null, null, 2, 3, 4, 3, 1e-5)[0].shape, [2, 3, 4]);
  t.deepEqual(
    torch.lstm(sequence, [state, state], weights, true, 1, 0, false, false, false)[0].shape,
    [3, 2, 5],
  );
  const dense = torch.sparseCsrTensor(csr.crowIndices(), csr.colIndices(), csr.values()).toDense();
  t.true(dense.equal(torch.eye(2)));
  t.is(torch.specialLegendrePolynomialP(torch.tensor([1]), 3).item(), 1);
  t.deepEqual(x.clone().random_(0, 5).ge(5).any().item(), false);
});

test('a disposed tensor is found disposed by a check, under the operator that was called', (t) => {
  const gone = torch.ones([2, 3, 4]);
  gone.dispose();
  const call = () => torch.nativeGroupNorm(gone, null, null, 2, 3, 4, 1, 1e-5);
  t.is(t.throws(call, { instanceOf: DisposedError }).operator, 'aten::native_group_norm');
});

const odd = (value: unknown) => value as never;
const cyclic: unknown[] = [];
cyclic.push(cyclic);

const misuses: Record<string, [call: () => unknown, error: typeof TorchError, operator: string]> = {
  'options that are none': [() => torch.zeros([2], odd(null)), ArgumentError, 'aten::zeros'],
  'a list in itself': [() => torch.tensor(odd(cyclic)), ShapeError, 'torch.tensor'],
  'a list in itself for a shape': [() => torch.ones(odd(cyclic)), ArgumentError, 'aten::ones'],
  'a list in itself for a tensor': [() => x.add(odd(cyclic)), ArgumentError, 'aten::add'],
  'billions of holes': [
    () => torch.zeros(odd(Object.assign([], { length: 4e9 }))),
    ArgumentError,
    'aten::zeros',
  ],
  'billions of indices': [
    () => torch.setAt(x, odd(Object.assign([], { length: 4e9 })), 1),
    torch.IndexError,
    'torch.setAt',
  ],
  'elements that are none': [() => torch.tensor(odd([{}])), ArgumentError, 'torch.tensor'],
  'a dtype by number': [
    () => torch.arange(1, 3, { dtype: odd(6) }),
    ArgumentError,
    'aten::arange.start_step',
  ],
  'a dtype by a number beyond them all': [
    () => torch.arange(1, 3, { dtype: odd(2n ** 63n - 1n) }),
    ArgumentError,
    'aten::arange.start_step',
  ],
  'a layout by number': [
    () => torch.callOperator('aten::empty', 'memory_format', [[2]], { layout: odd(99) }),
    ArgumentError,
    'aten::empty.memory_format',
  ],
  'a memory format by number': [
    () => torch.callOperator('aten::clone', '', [torch.ones([2])], { memory_format: odd(9) }),
    ArgumentError,
    'aten::clone',
  ],
  'a bigint beyond 64 bits': [() => torch.tensor([2n ** 64n]), ArgumentError, 'torch.tensor'],
  'bytes without a type': [
    () => torch.fromTypedArray(odd(new DataView(new ArrayBuffer(4))), [4]),
    ArgumentError,
    'torch.fromTypedArray',
  ],
  'a gradient that is none': [() => (x.grad = odd('x')), ArgumentError, 'Tensor.grad'],
  'data that is none': [() => (x.data = odd(undefined)), ArgumentError, 'Tensor.data'],
  'outputs that are no list': [() => torch.grad(odd(null), [x]), ArgumentError, 'torch.grad'],
  'inputs that are no tensors': [() => torch.grad([x], odd([1])), ArgumentError, 'torch.grad'],
  'a tensor that libtorch never made': [
    () => x.add(odd(Object.create(Tensor.prototype))),
    DisposedError,
    'aten::add.Tensor',
  ],
  'rows without end': [() => torch.empty([2 ** 31, 0, 0]).tolist(), ArgumentError, 'Tensor.tolist'],
};
for (const [what, [call, error, operator]] of Object.entries(misuses)) {
  test(`a TorchError that names the operator: ${what}`, (t) => {
    t.is(t.throws(call, { instanceOf: error }).operator, operator);
  });
}

test('a tensor without elements prints however long it is', (t) => {
  t.is(torch.empty([2 ** 31, 0, 0]).toString(), 'tensor([], size=(2147483648, 0, 0))');
});
