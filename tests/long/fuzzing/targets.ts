/** Targets of the fuzz: every public overload as function and as method, and hand-written functions. */
import * as torch from '../../../src/torch/index.js';
import { camelCase, fullName, parseSchema, type Schema } from '../../../src/torch/core/schema.js';
import { publicOperators } from '../../../scripts/public-operators.js';
import { optimizerTargets } from './optimizers.js';
import type { Random } from './random.js';

export interface Target {
  /** Such as `aten::add.Tensor`, or `torch.tensor`. */
  name: string;
  schema: Schema;
  /** Calls it with these arguments, as a method where the first is a tensor and the choice falls so. */
  call: (args: unknown[], random: Random) => unknown;
}

type Call = (...args: unknown[]) => unknown;

const api = torch as unknown as Record<string, Call>;

/** Sorted, so that a number means the same call in every process. */
function generated(): Target[] {
  const schemas = [...publicOperators().values()].flat().sort((a, b) => (fullName(a) < fullName(b) ? -1 : 1));
  return schemas.map((schema) => ({
    name: fullName(schema),
    schema,
    call: caller(schema.name.slice('aten::'.length)),
  }));
}

function caller(name: string): Target['call'] {
  const key = camelCase(name);
  const asFunction = api[key] ?? api[name];
  const isMethod = typeof Object.getOwnPropertyDescriptor(torch.Tensor.prototype, key)?.value === 'function';
  return (args, random) => {
    const self = args[0];
    if (isMethod && self instanceof torch.Tensor && (!asFunction || random.chance(0.5)))
      return (self as unknown as Record<string, Call>)[key]!(...args.slice(1));
    return asFunction?.(...args);
  };
}

function byHand(signature: string, call: Call): Target {
  return {
    name: signature.slice(0, signature.indexOf('(')),
    schema: parseSchema(`${signature} -> ()`),
    call: (args) => call(...args),
  };
}

const OPTIONS = '*, ScalarType? dtype=None, Device? device=None, bool requires_grad=False';
const creation = [
  `empty(int[] shape, ${OPTIONS})`,
  `zeros(int[] shape, ${OPTIONS})`,
  `ones(int[] shape, ${OPTIONS})`,
  `full(int[] shape, Scalar value, ${OPTIONS})`,
  `randn(int[] shape, ${OPTIONS}, Generator? generator=None)`,
  `rand(int[] shape, ${OPTIONS}, Generator? generator=None)`,
  `randint(int low, int high, int[] shape, ${OPTIONS}, Generator? generator=None)`,
  `randperm(int n, ${OPTIONS}, Generator? generator=None)`,
  `arange(float end, ${OPTIONS})`,
  `arange(float start, float end, float step, ${OPTIONS})`,
  `linspace(float start, float end, int steps, ${OPTIONS})`,
  `eye(int rows, int columns, ${OPTIONS})`,
  `tensor(Scalar data, ${OPTIONS})`,
  `tensor(Scalar[] data, ${OPTIONS})`,
  `fromTypedArray(int[] data, int[] shape, ${OPTIONS})`,
].map((signature) => byHand(`torch.${signature}`, api[signature.slice(0, signature.indexOf('('))]!));

function method(signature: string): Target {
  const name = signature.slice(0, signature.indexOf('('));
  return byHand(`Tensor.${signature}`, (self, ...args) =>
    self instanceof torch.Tensor ? (self as unknown as Record<string, Call>)[name]!(...args) : undefined,
  );
}

/** Methods belong to tensors: anything else in their place is not the library's business. */
function tensorOr(self: unknown): torch.Tensor {
  return self instanceof torch.Tensor ? self : torch.ones([2]);
}

const byHandTargets: Target[] = [
  ...creation,
  method('to(Tensor self, ScalarType target)'),
  method('to(Tensor self, Device target)'),
  method('to(Tensor self, Tensor target)'),
  method(
    'to(Tensor self, *, ScalarType? dtype=None, Device? device=None, bool copy=False, bool non_blocking=False)',
  ),
  method('item(Tensor self)'),
  method('tolist(Tensor self)'),
  method('toTypedArray(Tensor self)'),
  method('toString(Tensor self)'),
  method('requiresGrad_(Tensor self, bool flag=True)'),
  method(
    'backward(Tensor self, Tensor? gradient=None, *, bool retain_graph=False, bool create_graph=False, Tensor[] inputs=[])',
  ),
  method('at(Tensor self, int a)'),
  method('at(Tensor self, int a, Tensor b)'),
  method('at(Tensor self, Tensor a)'),
  method('at(Tensor self, Tensor? mask, Tensor? b)'),
  method('dispose(Tensor self)'),
  method('numel(Tensor self)'),
  byHand('torch.setAt(Tensor self, int[] indices, Tensor value)', api['setAt']!),
  byHand('torch.setAt(Tensor self, Tensor?[] indices, Scalar value)', api['setAt']!),
  byHand('torch.setAt(Tensor self, Tensor?[] indices, Tensor value)', api['setAt']!),
  byHand('torch.slice(int start, int end, int step)', (...args) => {
    const part = torch.slice(...(args as [number, number, number]));
    return torch.ones([4, 3]).at(part, '...', part);
  }),
  byHand(
    'torch.grad(Tensor[] outputs, Tensor[] inputs, *, Tensor?[] grad_outputs=[], bool retain_graph=False, bool allow_unused=False)',
    api['grad']!,
  ),
  byHand('Tensor.grad(Tensor self, Tensor? value)', (self, value) => {
    const tensor = tensorOr(self);
    tensor.grad = value as torch.Tensor;
    return tensor.grad;
  }),
  byHand('Tensor.data(Tensor self, Tensor value)', (self, value) => {
    tensorOr(self).data = value as torch.Tensor;
    return self;
  }),
  byHand('torch.detectAnomaly(Tensor self)', (self) =>
    torch.detectAnomaly(() => tensorOr(self).requiresGrad_().sqrt().sum().backward()),
  ),
  byHand('Tensor.registerHook(Tensor self, Tensor other)', (self, other) => {
    const leaf = tensorOr(self).detach().requiresGrad_();
    leaf.registerHook(() => other as torch.Tensor);
    leaf.mul(2).sum().backward();
    return leaf.grad;
  }),
];

export const targets: readonly Target[] = [...generated(), ...byHandTargets, ...optimizerTargets];
