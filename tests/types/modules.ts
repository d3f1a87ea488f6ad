// Layers, modules and their state. Never run: compiled by tests/types.test.ts.
import { F, nn, torch, type Tensor } from 'tessera-torch';
import { is, type Equal } from './equal.js';

declare const x: Tensor;

const conv = new nn.Conv2d(3, 64, 3, { stride: 2, padding: 1, bias: false });
is<Equal<ReturnType<typeof conv.forward>, Tensor>>(true);
is<Equal<Parameters<typeof conv.forward>, [input: Tensor]>>(true);
is<Equal<typeof conv.weight, nn.Parameter>>(true);
// @ts-expect-error PyTorch's positional arguments: the kernel's size is one
new nn.Conv2d(3, 64, { kernelSize: 3 });
// @ts-expect-error options behind them are named
new nn.Conv2d(3, 64, 3, 2, 1);
// @ts-expect-error unknown option
new nn.Conv2d(3, 64, 3, { strides: 2 });
// @ts-expect-error two sizes, not three
new nn.Conv2d(3, 64, [3, 3, 3]);
// @ts-expect-error a padding mode
new nn.Conv2d(3, 64, 3, { paddingMode: 'mirror' });
// @ts-expect-error a switch is a boolean
new nn.Linear(3, 4, { bias: 0 });
// @ts-expect-error GELU's forms are none and tanh
new nn.GELU({ approximate: 'erf' });
// @ts-expect-error a layer is made with new
nn.Linear(3, 4);
// @ts-expect-error a layer is no function
conv(x);
// @ts-expect-error a tensor, not numbers
conv.forward([1, 2]);
// @ts-expect-error snake_case is for state dicts
new nn.BatchNorm2d(4, { track_running_stats: false });
// @ts-expect-error reductions by PyTorch's names
new nn.MSELoss({ reduction: 'avg' });

// A subclass's forward keeps its own types.
class Block extends nn.Module {
  readonly inner = new nn.Linear(3, 4);
  declare counter: Tensor;

  constructor() {
    super();
    this.registerBuffer('counter', torch.zeros([1]));
  }

  override forward(input: Tensor, scale: number): { output: Tensor; scale: number } {
    return { output: this.inner.forward(input).mul(scale), scale };
  }
}
const block = new Block();
const result = block.forward(x, 2);
is<Equal<typeof result, { output: Tensor; scale: number }>>(true);
// @ts-expect-error its second argument
block.forward(x);
// @ts-expect-error of its own type
block.forward(x, 'two');
// @ts-expect-error its result has no such field
void result.loss;

is<Equal<ReturnType<typeof block.train>, Block>>(true);
is<Equal<ReturnType<typeof block.to>, Block>>(true);
block.to('cuda:1').to('float16').to({ dtype: 'float32', device: 'cpu' });
// @ts-expect-error neither dtype nor device
block.to('half');
// @ts-expect-error a buffer is a tensor or null
block.registerBuffer('other', 3);
// @ts-expect-error unknown option
block.registerBuffer('other', null, { persist: false });

// Containers keep their elements' types.
const list = new nn.ModuleList([block, new Block()]);
is<Equal<ReturnType<typeof list.get>, Block>>(true);
for (const one of list) is<Equal<typeof one, Block>>(true);
// @ts-expect-error modules only
new nn.Sequential(conv, F.relu);
// @ts-expect-error a list of modules, not modules in a row
new nn.ModuleList(block, block);

// State dicts.
const state = block.stateDict();
is<Equal<typeof state, Map<string, Tensor>>>(true);
const { missing, unexpected } = block.loadStateDict(state, { strict: false });
is<Equal<typeof missing, string[]>>(true);
is<Equal<typeof unexpected, string[]>>(true);
// @ts-expect-error a Map (or what reads like one), not an object
block.loadStateDict({ weight: x });
// @ts-expect-error a Map of tensors
block.loadStateDict(new Map([['weight', [1, 2]]]));
// @ts-expect-error unknown option
block.loadStateDict(state, { strictly: true });
for (const [name, parameter] of block.namedParameters()) {
  is<Equal<typeof name, string>>(true);
  is<Equal<typeof parameter, nn.Parameter>>(true);
}
// @ts-expect-error a parameter holds a tensor
new nn.Parameter([1, 2]);

// Functions.
F.crossEntropy(x, x, { labelSmoothing: 0.1, reduction: 'sum' });
F.pad(x, [1, 1], { mode: 'reflect' });
// @ts-expect-error mean, sum or none
F.crossEntropy(x, x, { reduction: 'average' });
// @ts-expect-error a padding mode
F.pad(x, [1, 1], { mode: 'mirror' });
// @ts-expect-error unknown option
F.interpolate(x, { scale: 2 });
// @ts-expect-error a way of resampling
F.interpolate(x, { scaleFactor: 2, mode: 'lanczos' });
F.scaledDotProductAttention(x, x, x, { isCausal: true });
// @ts-expect-error unknown option
F.scaledDotProductAttention(x, x, x, { causal: true });

// Hooks.
const handle = block.registerForwardHook((module, args, output) => void [module, args, output]);
handle.remove();
// @ts-expect-error a hook is a function
block.registerForwardHook('print');

const lstm = new nn.LSTM(3, 4, { numLayers: 2, projSize: 2, batchFirst: true });
is<Equal<ReturnType<typeof lstm.forward>, [output: Tensor, states: [hidden: Tensor, cell: Tensor]]>>(true);
void lstm.forward(x, lstm.forward(x)[1]);
is<Equal<(typeof lstm)['weightHhL1Reverse'], nn.Parameter>>(true);
// @ts-expect-error only an LSTM projects
new nn.GRU(3, 4, { projSize: 2 });
// @ts-expect-error an LSTM has two states
lstm.forward(x, x);
