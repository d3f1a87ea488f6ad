// How tensors are made, kept and freed. Never run: compiled by tests/types.test.ts.
import { torch, type Tensor } from 'tessera-torch';
import { is, type Equal } from './equal.js';

torch.zeros([2, 3], { dtype: 'float64', device: 'cuda:0', requiresGrad: true });
torch.arange(3, { dtype: 'int64' });
torch.tensor([
  [1, 2],
  [3, 4],
]);
torch.tensor(new Float32Array(3));
torch.randn([2], { generator: new torch.Generator() });
// @ts-expect-error a shape is an array
torch.zeros(2, 3);
// @ts-expect-error a shape is an array
torch.randn(4);
// @ts-expect-error a shape is needed
torch.empty();
// @ts-expect-error dtypes by PyTorch's names
torch.zeros([2], { dtype: 'f32' });
// @ts-expect-error dtypes by PyTorch's long names
torch.zeros([2], { dtype: 'float' });
// @ts-expect-error no such device
torch.zeros([2], { device: 'gpu' });
// @ts-expect-error options are camelCase
torch.zeros([2], { requires_grad: true });
// @ts-expect-error unknown option
torch.zeros([2], { layout: 'strided', pinned: true });
// @ts-expect-error a generator belongs to random tensors
torch.zeros([2], { generator: new torch.Generator() });
// @ts-expect-error text has no elements
torch.tensor('abc');
// @ts-expect-error nor have objects
torch.tensor({ 0: 1 });
// @ts-expect-error undefined is no element
torch.tensor([1, undefined]);
// @ts-expect-error tensors are made by functions and operators of libtorch's
torch.full([2], 'x');

// Scopes give back what their function gives.
const kept = torch.scope(() => ({ loss: torch.ones([1]), steps: 3 }));
is<Equal<typeof kept, { loss: Tensor; steps: number }>>(true);
const quiet = torch.noGrad(() => torch.ones([1]).exp());
is<Equal<typeof quiet, Tensor>>(true);
const tree = torch.keep([torch.ones([1]), { more: torch.ones([2]) }] as const);
is<Equal<(typeof tree)[1]['more'], Tensor>>(true);
// @ts-expect-error a scope takes a function
torch.scope(torch.ones([1]));

export function guarded(): Tensor {
  using _ = torch.noGrad();
  using temporary = torch.ones([2]);
  using _enabled = torch.enableGrad();
  // @ts-expect-error numbers need no disposing
  using _number = 3;
  return temporary.clone();
}
// @ts-expect-error a guard is no function's result
const notATensor: Tensor = torch.noGrad();

// Elements.
is<Equal<ReturnType<Tensor['toTypedArray']>, torch.TypedArray>>(true);
const number: number = torch.ones([1]).item();
// @ts-expect-error nested arrays need narrowing
const rows: number[][] = torch.ones([2, 2]).tolist();

// Conversions.
torch.ones([1]).to('float16').to('cpu').to({ dtype: 'bfloat16', device: 'cuda' });
// @ts-expect-error neither dtype nor device
torch.ones([1]).to('tpu');
// @ts-expect-error unknown option
torch.ones([1]).to({ type: 'float16' });

// Autograd.
const input = torch.ones([2], { requiresGrad: true });
const gradients = torch.grad([input.sum()], [input]);
is<Equal<typeof gradients, Tensor[]>>(true);
const perhaps = torch.grad([input.sum()], [input], { allowUnused: true });
is<Equal<typeof perhaps, (Tensor | null)[]>>(true);
// @ts-expect-error outputs and inputs are arrays
torch.grad(input.sum(), input);
// @ts-expect-error unknown option
torch.grad([input.sum()], [input], { retain_graph: true });
// @ts-expect-error the gradient comes first
input.sum().backward({ retainGraph: true });
input.sum().backward(null, { retainGraph: true });
input.registerHook((gradient) => gradient.mul(2));
// @ts-expect-error a hook gives a gradient or nothing
input.registerHook(() => 2);

const square = torch.customFunction({
  forward: (context, x: Tensor, power: number) => {
    context.saveForBackward(x);
    return x.pow(power);
  },
  backward: (context, gradient) => [gradient.mul(context.savedTensors[0]!), null],
});
is<Equal<ReturnType<typeof square>, Tensor>>(true);
square(input, 2);
// @ts-expect-error its own arguments
square(input, 'two');
// @ts-expect-error all of them
square(input);

torch.gradcheck((x) => x.exp(), [input], { atol: 1e-6 });
// @ts-expect-error inputs are an array
torch.gradcheck((x) => x.exp(), input);
// @ts-expect-error unknown option
torch.gradcheck((x) => x.exp(), [input], { tolerance: 1e-6 });

void [notATensor, number, rows];
