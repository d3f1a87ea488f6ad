// What the typed operators take and give. Never run: compiled by tests/types.test.ts.
import { torch, type Tensor } from 'tessera-torch';
import { is, type Equal } from './equal.js';

declare const x: Tensor;
declare const y: Tensor;

// Methods and functions take the same.
is<Equal<ReturnType<typeof x.exp>, Tensor>>(true);
x.add(y);
x.add(2, { alpha: 3 });
torch.add(x, y, { alpha: 3 });
torch.maskedFill(x, y, 0);
// @ts-expect-error a function needs its tensor
torch.exp();
// @ts-expect-error a method has its tensor already
x.exp(y);
// @ts-expect-error one argument too many
x.add(y, 2, 3, 4);
// @ts-expect-error names are camelCase
x.masked_fill(y, 0);
// @ts-expect-error no such operator
x.exponentiate();
// @ts-expect-error names begin small
x.Softmax(-1);

// Shapes and dimensions are arrays.
x.view([2, -1]);
x.permute([0, 2, 1]);
x.sum([0, 1], { keepdim: true });
x.sum(1);
// @ts-expect-error a shape is an array, not arguments in a row
x.view(2, 3);
// @ts-expect-error a shape is an array, not arguments in a row
x.permute(0, 2, 1);
// @ts-expect-error a list of any length takes no lone number
x.reshape(6);
// @ts-expect-error a shape holds numbers
x.view(['2']);

// Tensor is Tensor, Scalar is Scalar.
x.mul(torch.floatScalar(2));
x.fill_(torch.complexScalar(0, 1));
x.mul(2n);
x.clampMin(0);
// @ts-expect-error matmul takes tensors
x.matmul(2);
// @ts-expect-error a number in text is no scalar
x.add('2');
// @ts-expect-error an array is no tensor
x.add([1, 2]);
// @ts-expect-error a scalar, not an object
x.mul({ value: 2 });
// @ts-expect-error a mask is a tensor
x.maskedFill(true, 0);
// @ts-expect-error null stands only where a schema has an optional
x.matmul(null);
// @ts-expect-error a boolean, not a number
x.sum(1, 1);

// Options name arguments of the schema, and nothing else.
x.std({ correction: 0 });
x.softmax({ dim: -1 });
// @ts-expect-error unknown option
x.sum(1, { keepDim: true });
// @ts-expect-error unknown option
x.softmax(-1, { axis: 1 });
// @ts-expect-error an option of the wrong type
x.sum(1, { keepdim: 'yes' });
// @ts-expect-error schema names, camelCase
x.embedding(y, { padding_idx: 1 });
// @ts-expect-error a required argument is missing
x.softmax({ dtype: 'float64' });

// Where libtorch takes one of a few words, only those.
x.gelu({ approximate: 'tanh' });
x.div(y, { roundingMode: 'floor' });
x.fftFft({ norm: 'ortho' });
torch.meshgrid([x, y], { indexing: 'ij' });
// @ts-expect-error none or tanh
x.gelu({ approximate: 'fast' });
// @ts-expect-error trunc or floor
x.div(y, { roundingMode: 'ceil' });
// @ts-expect-error sum, prod, mean, amax or amin
x.scatterReduce(0, y, y, 'max');
// @ts-expect-error valid or same
torch.conv2d(x, y, null, 1, 'full');
// @ts-expect-error a dtype
x.sum({ dtype: 'float' });
// @ts-expect-error a memory format
x.contiguous({ memoryFormat: 'nhwc' });

// Several results are a tuple, lists are arrays, and nothing is nothing.
is<Equal<ReturnType<typeof x.topk>, [Tensor, Tensor]>>(true);
const [values, indices] = x.max(1);
is<Equal<typeof values, Tensor>>(true);
is<Equal<typeof indices, Tensor>>(true);
const whole = x.max();
is<Equal<typeof whole, Tensor>>(true);
const [u, s, vh] = torch.linalgSvd(x);
is<Equal<[typeof u, typeof s, typeof vh], [Tensor, Tensor, Tensor]>>(true);
// @ts-expect-error topk gives two results
x.topk(2)[2].exp();
// @ts-expect-error a result of several is not one tensor
x.sort().exp();
const parts = x.split(2);
is<Equal<typeof parts, Tensor[]>>(true);
is<Equal<ReturnType<typeof x.isComplex>, boolean>>(true);
is<Equal<ReturnType<typeof torch.promoteTypes>, torch.DType>>(true);
// @ts-expect-error dtypes by name
torch.promoteTypes('float32', 'double');

// Lists of tensors.
torch.cat([x, y], 1);
torch.einsum('ij,jk->ik', [x, y]);
// @ts-expect-error tensors in an array
torch.cat(x, y);
// @ts-expect-error tensors, not numbers
torch.stack([1, 2]);
// @ts-expect-error the equation comes first
torch.einsum([x, y], 'ij,jk->ik');

// Indexing.
x.at(0, torch.slice(1, null, 2), '...', null, y);
// @ts-expect-error no ranges in text
x.at('1:2');
// @ts-expect-error the dots are three
x.at('..');
// @ts-expect-error slices are made by torch.slice
x.at({ start: 0, end: 1 });

// What cannot be assigned.
// @ts-expect-error a shape is read
x.shape = [1];
// @ts-expect-error the dtype is read
x.dtype = 'float32';
// @ts-expect-error the device is read
x.device = 'cpu';
// @ts-expect-error whether it is a leaf is read
x.isLeaf = true;
// @ts-expect-error a gradient is a tensor or null
x.grad = undefined;
x.grad = null;

// callOperator takes what the schema says, unchecked; its lists are arrays.
torch.callOperator('aten::add', 'Tensor', [x, y], { alpha: 2 });
// @ts-expect-error arguments in an array
torch.callOperator('aten::add', 'Tensor', x, y);
