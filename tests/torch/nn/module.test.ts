import test from 'ava';
import * as torch from '../../../src/torch/index.js';
import type { Tensor } from '../../../src/torch/index.js';
import * as nn from '../../../src/torch/nn/index.js';

class Block extends nn.Module {
  static keys: Readonly<Record<string, string>> = { conv1: 'conv_1' };
  readonly normOut: nn.GroupNorm;
  readonly conv1: nn.Conv2d;
  declare mask: Tensor;
  declare scratch: Tensor | null;
  readonly scale: nn.Parameter;
  readonly #outer = new nn.Linear(1, 1);

  constructor() {
    super();
    this.normOut = new nn.GroupNorm(1, 2);
    this.conv1 = new nn.Conv2d(2, 2, 1, { bias: false });
    this.registerBuffer('mask', torch.ones([2]));
    this.registerBuffer('scratch', torch.zeros([1]), { persistent: false });
    this.scale = new nn.Parameter(torch.ones([1]));
    void this.#outer;
  }

  override forward(x: Tensor): Tensor {
    return this.conv1.forward(this.normOut.forward(x)).mul(this.scale);
  }
}

class Derived extends Block {
  static override keys = { extraPart: 'extra' };
  readonly extraPart: nn.Linear;
  leak: Tensor | null = null;

  constructor() {
    super();
    this.extraPart = new nn.Linear(2, 2);
  }

  override forward(x: Tensor): Tensor {
    this.leak = x.add(1);
    return super.forward(x).add(this.leak);
  }
}

const blockKeys = ['scale', 'mask', 'norm_out.weight', 'norm_out.bias', 'conv_1.weight'];

test('keys: own parameters, own buffers, children; field rule, table, tables of superclasses', (t) => {
  t.deepEqual([...new Block().stateDict().keys()], blockKeys);
  t.deepEqual([...new Derived().stateDict().keys()], [...blockKeys, 'extra.weight', 'extra.bias']);
});

test('walking', (t) => {
  const model = new nn.Sequential(new Block(), new nn.ReLU());
  t.deepEqual(
    model.namedModules().map(([key]) => key),
    ['', '0', '0.norm_out', '0.conv_1', '1'],
  );
  t.deepEqual(
    model.namedParameters().map(([key]) => key),
    ['0.scale', '0.norm_out.weight', '0.norm_out.bias', '0.conv_1.weight'],
  );
  t.deepEqual(
    model.namedBuffers().map(([key]) => key),
    ['0.mask', '0.scratch'],
  );
  t.deepEqual(
    model.namedChildren().map(([key]) => key),
    ['0', '1'],
  );
  const order: string[] = [];
  model.apply((module) => order.push(module.constructor.name));
  t.deepEqual(order, ['GroupNorm', 'Conv2d', 'Block', 'ReLU', 'Sequential']);
});

test('shared modules and parameters: twice in the state dict, once among the parameters', (t) => {
  const shared = new nn.Linear(2, 2);
  const model = new nn.Sequential(shared, new nn.ReLU(), shared);
  t.deepEqual([...model.stateDict().keys()], ['0.weight', '0.bias', '2.weight', '2.bias']);
  t.is(model.parameters().length, 2);
  t.is(model.modules().length, 3);
  const tied = new nn.ModuleDict({ a: new nn.Linear(2, 2), b: new nn.Linear(2, 2) });
  tied.get('b').weight = tied.get('a').weight;
  t.deepEqual(
    tied.namedParameters().map(([key]) => key),
    ['a.weight', 'a.bias', 'b.bias'],
  );
  t.is(tied.stateDict().size, 4);
  const state = new Map(tied.stateDict());
  state.set('a.weight', torch.zeros([2, 2])).set('b.weight', torch.ones([2, 2]));
  tied.loadStateDict(state);
  t.deepEqual(tied.get('a').weight.tolist(), [
    [1, 1],
    [1, 1],
  ]);
});

test('a module that contains itself is an error', (t) => {
  const model = new nn.ModuleDict<nn.Module>();
  model.set('self', model);
  t.throws(() => model.stateDict(), { message: /contains itself.*"self"/ });
});

test('forward runs in one scope, also through super', (t) => {
  const model = new Derived();
  const x = torch.randn([1, 2, 3, 3]);
  const before = torch.memory().tensors;
  const y = model.forward(x);
  t.true(model.leak?.disposed, 'an intermediate');
  t.false(y.disposed);
  t.is(torch.memory().tensors, before + 1);
  t.deepEqual(Object.keys(model).includes('forward'), false);
  let depth = 0;
  class Base extends nn.Module {
    override forward(): number {
      return depth;
    }
  }
  class Child extends Base {
    override forward(): number {
      depth++;
      return super.forward();
    }
  }
  const child = new Child();
  let calls = 0;
  child.registerForwardHook(() => {
    calls++;
  });
  t.is(child.forward(), 1);
  t.is(calls, 1);
});

test('backward works after the forward scopes have closed', (t) => {
  const model = new Block();
  const loss = model.forward(torch.randn([1, 2, 3, 3])).sum();
  loss.backward();
  t.true(model.parameters().every((parameter) => parameter.grad !== null));
  model.zeroGrad();
  t.true(model.parameters().every((parameter) => parameter.grad === null));
});

test('Sequential frees what a module was given once it has returned', (t) => {
  const alive: number[] = [];
  const probe = (): nn.Module => {
    const module = new nn.ReLU();
    module.registerForwardPreHook(() => void alive.push(torch.memory().tensors));
    return module;
  };
  const model = new nn.Sequential(probe(), probe(), probe(), probe(), probe());
  const x = torch.ones([2]);
  torch.noGrad(() => model.forward(x));
  t.is(Math.max(...alive) - (alive[0] as number), 1, alive.join());
  t.is(new nn.Sequential().forward(x), x);
  t.is(new nn.Sequential(new nn.Identity(), new nn.Identity()).forward(x), x);
  t.false(x.disposed);
});

test('buffers assigned in a forward outlive its scope', (t) => {
  class Cache extends nn.Module {
    declare last: Tensor | null;
    constructor() {
      super();
      this.registerBuffer('last', null);
    }
    override forward(x: Tensor): Tensor {
      this.last = x.mul(2);
      return this.last.add(1);
    }
  }
  const cache = new Cache();
  t.deepEqual([...cache.stateDict().keys()], []);
  cache.forward(torch.ones([1]));
  t.deepEqual(cache.last?.tolist(), [2]);
  t.deepEqual([...cache.stateDict().keys()], ['last']);
  const inside = torch.scope(() => new Cache());
  inside.last = torch.scope(() => torch.ones([1]));
  t.deepEqual(inside.last?.tolist(), [1]);
  t.throws(() => cache.registerBuffer('a.b', null), { message: /without dots/ });
});

test('a module made in a scope survives it', (t) => {
  const model = torch.scope(() => {
    const made = new nn.Sequential(new nn.Linear(2, 2), new nn.BatchNorm2d(2));
    return made;
  });
  t.true([...model.stateDict().values()].every((tensor) => !tensor.disposed));
});

test('a parameter outlives garbage collection of what it was made from', (t) => {
  const p = new nn.Parameter(torch.ones([4]));
  // Sweeps come after 64 MB of births.
  for (let i = 0; i < 40; i++) torch.zeros([1_000_000]);
  t.deepEqual(p.tolist(), [1, 1, 1, 1]);
  t.true(p.isLeaf && p.requiresGrad);
  t.false(new nn.Parameter(torch.ones([1], { dtype: 'int64' }), false).requiresGrad);
  const source = torch.zeros([2]);
  const alias = new nn.Parameter(source);
  source.add_(1);
  t.deepEqual(alias.tolist(), [1, 1], 'the same memory');
});

test('hooks', (t) => {
  const model = new nn.Identity();
  const log: string[] = [];
  const before = model.registerForwardPreHook((module, args) => {
    t.is(module, model);
    log.push('before');
    return [(args[0] as number) + 1];
  });
  const after = model.registerForwardHook((_, args, output) => {
    log.push(`after ${String(args[0])}`);
    return (output as number) * 10;
  });
  t.is(model.forward(1), 20);
  t.deepEqual(log, ['before', 'after 2']);
  before.remove();
  t.is(model.forward(1), 10);
  after.remove();
  after.remove();
  t.is(model.forward(1), 1);
});

test('train and eval reach all modules', (t) => {
  const model = new nn.Sequential(new nn.Dropout(0.5), new nn.Sequential(new nn.BatchNorm2d(2)));
  t.true(model.modules().every((module) => module.training));
  t.is(model.eval(), model);
  t.true(model.modules().every((module) => !module.training));
  model.train();
  t.true(model.modules().every((module) => module.training));
});

test('requiresGrad_ freezes', (t) => {
  const model = new Block().requiresGrad_(false);
  t.true(model.parameters().every((parameter) => !parameter.requiresGrad));
  t.true(model.requiresGrad_(true).scale.requiresGrad);
});

test('to keeps the parameters, moves gradients, leaves integers', (t) => {
  const model = new nn.Sequential(new nn.Conv2d(2, 2, 1), new nn.BatchNorm2d(2));
  model
    .forward(torch.randn([2, 2, 3, 3]))
    .sum()
    .backward();
  const parameters = model.parameters();
  const gradient = parameters[0]?.grad?.tolist();
  t.is(model.to('float64'), model);
  t.deepEqual(model.parameters(), parameters);
  t.deepEqual(
    [...model.stateDict().values()].map((tensor) => tensor.dtype),
    ['float64', 'float64', 'float64', 'float64', 'float64', 'float64', 'int64'],
  );
  t.is(parameters[0]?.grad?.dtype, 'float64');
  t.deepEqual(parameters[0]?.grad?.tolist(), gradient);
  t.true(parameters.every((parameter) => parameter.isLeaf && parameter.requiresGrad));
  model
    .forward(torch.randn([2, 2, 3, 3], { dtype: 'float64' }))
    .sum()
    .backward();
  model.to({ dtype: 'bfloat16', device: 'cpu' });
  t.is(parameters[0]?.grad?.dtype, 'bfloat16');
  model.to('cpu');
  t.is(parameters[0]?.dtype, 'bfloat16');
});

test('loadStateDict: strict names everything and loads nothing', (t) => {
  const model = new nn.Sequential(new nn.Linear(2, 3), new nn.BatchNorm2d(3));
  const before = model.stateDict().get('0.weight')?.tolist();
  const state = new Map([...model.stateDict()].map(([key, value]) => [key, value.zerosLike()]));
  state.delete('1.running_var');
  state.set('0.bias', torch.zeros([4]));
  state.set('extra', torch.zeros([1]));
  const error = t.throws<nn.StateDictError>(() => model.loadStateDict(state), {
    instanceOf: nn.StateDictError,
  });
  t.deepEqual(error?.missing, ['1.running_var']);
  t.deepEqual(error?.unexpected, ['extra']);
  t.deepEqual(error?.mismatched, ['0.bias: shape [4], expected [3]']);
  for (const part of ['Sequential', '1.running_var', 'extra', '0.bias', '[4]', '[3]'])
    t.true(error?.message.includes(part));
  t.deepEqual(model.stateDict().get('0.weight')?.tolist(), before);

  t.throws(() => model.loadStateDict(state, { strict: false }), { message: /0\.bias/ });
  state.delete('0.bias');
  t.deepEqual(model.loadStateDict(state, { strict: false }), {
    missing: ['0.bias', '1.running_var'],
    unexpected: ['extra'],
  });
  t.deepEqual(model.stateDict().get('0.weight')?.tolist(), [
    [0, 0],
    [0, 0],
    [0, 0],
  ]);
  const many = new Map(Array.from({ length: 50 }, (_, i) => [`k${i}`, torch.zeros([1])]));
  t.throws(() => model.loadStateDict(many), { message: /unexpected \(50\)[^]*and 30 more/ });
});

test('loadStateDict casts, and reads a lazy source one tensor at a time', (t) => {
  const model = new nn.Linear(2, 1).to('float64');
  let alive = 0;
  const shapes: Record<string, number[]> = { weight: [1, 2], bias: [1] };
  const source = {
    keys: () => Object.keys(shapes),
    has: (key: string) => key in shapes,
    info: (key: string) => ({ shape: shapes[key] as number[], dtype: 'int64' }),
    get: (key: string) => {
      alive = Math.max(alive, torch.memory().tensors);
      return torch.ones(shapes[key] as number[], { dtype: 'int64' });
    },
  };
  const before = torch.memory().tensors;
  model.loadStateDict(source);
  t.is(alive, before);
  t.deepEqual(model.weight.tolist(), [[1, 1]]);
  t.is(model.weight.dtype, 'float64');
  t.true(model.weight.requiresGrad && model.weight.isLeaf);
  const complex = new Map(
    Object.entries(shapes).map(([key, shape]) => [key, torch.zeros(shape, { dtype: 'complex64' })]),
  );
  t.throws(() => model.loadStateDict(complex), { message: /complex64 cannot be cast to float64/ });
  t.deepEqual(model.loadStateDict(model.stateDict()), { missing: [], unexpected: [] });
});

test('containers', (t) => {
  const list = new nn.ModuleList([new nn.Linear(1, 1), new nn.Linear(1, 2)]);
  list.push(new nn.Linear(1, 3));
  t.is(list.length, 3);
  t.is(list.get(-1).outFeatures, 3);
  t.deepEqual(
    [...list].map((layer) => layer.outFeatures),
    [1, 2, 3],
  );
  t.deepEqual([...list.stateDict().keys()].slice(0, 2), ['0.weight', '0.bias']);
  t.throws(() => list.get(3), { message: /no module at index 3/ });
  t.throws(() => list.forward(torch.ones([1])), {
    instanceOf: torch.NotImplementedError,
    message: /ModuleList/,
  });
  const named = new nn.Sequential(
    new Map<string, nn.Module>([
      ['4', new nn.Linear(1, 1)],
      ['mixThree', new nn.ReLU()],
    ]),
  );
  t.deepEqual([...named.stateDict().keys()], ['4.weight', '4.bias']);
  t.deepEqual(
    named.namedChildren().map(([key]) => key),
    ['4', 'mixThree'],
  );
  const dict = new nn.ModuleDict({ b: new nn.ReLU(), a: new nn.Linear(1, 1) });
  t.deepEqual([...dict.stateDict().keys()], ['a.weight', 'a.bias']);
  t.throws(() => dict.get('c'), { message: /only b, a/ });
});

test('printed as PyTorch prints modules', (t) => {
  const model = new nn.Sequential(
    new nn.Conv2d(3, 8, 3, { stride: 2, padding: 1, groups: 1, bias: false }),
    new nn.GroupNorm(4, 8, { eps: 1e-6 }),
    new nn.Sequential(new nn.Linear(2, 2), new nn.LeakyReLU(0.2, { inplace: true })),
    new nn.Embedding(3, 4),
    new nn.LayerNorm(5),
    new nn.Dropout(0.1),
    new nn.BatchNorm2d(3, { momentum: null }),
  );
  t.is(
    String(model),
    `Sequential(
  (0): Conv2d(3, 8, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1), bias=False)
  (1): GroupNorm(4, 8, eps=1e-06, affine=True, bias=True)
  (2): Sequential(
    (0): Linear(in_features=2, out_features=2, bias=True)
    (1): LeakyReLU(negative_slope=0.2, inplace=True)
  )
  (3): Embedding(3, 4)
  (4): LayerNorm((5,), eps=1e-05, elementwise_affine=True, bias=True)
  (5): Dropout(p=0.1, inplace=False)
  (6): BatchNorm2d(3, eps=1e-05, momentum=None, affine=True, bias=True, track_running_stats=True)
)`,
  );
});

test('bad configurations are refused', (t) => {
  t.throws(() => new nn.Conv2d(3, 4, 3, { groups: 2 }), { message: /not divisible into 2 groups/ });
  t.throws(() => new nn.GroupNorm(3, 4), { message: /not divisible into 3 groups/ });
  t.throws(() => new nn.Dropout(1.5), { message: /\[0, 1\]/ });
  t.throws(() => new nn.BatchNorm2d(2).forward(torch.ones([2, 2])), { message: /\[B, 2, H, W\]/ });
  t.throws(() => new nn.Linear(2, 2).forward(torch.ones([1, 3])), { instanceOf: torch.ShapeError });
});

test('channels last is an order in memory only: shapes, values and results stay', (t) => {
  torch.manualSeed(2);
  const model = new nn.Sequential(
    new nn.Conv2d(3, 4, 3),
    new nn.GroupNorm(2, 4),
    new nn.Conv2d(4, 2, 1),
  ).double();
  const x = torch.randn([2, 3, 8, 8], { dtype: 'float64' });
  const expected = model.forward(x);
  const [weight] = model.parameters();
  const before = weight!.tolist();
  t.is(model.to({ memoryFormat: 'channels_last' }), model);
  t.true(weight!.isContiguous({ memoryFormat: 'channels_last' }));
  t.false(weight!.isContiguous());
  t.deepEqual(weight!.tolist(), before);
  const actual = model.forward(x.contiguous({ memoryFormat: 'channels_last' }));
  t.true(actual.sub(expected).abs().max().item() < 1e-12);
  model.to({ memoryFormat: 'contiguous_format' });
  t.true(weight!.isContiguous());
});

class Counted extends nn.Module {
  protected static override readonly mayLack = ['seen', 'absent'];
  declare seen: Tensor;
  readonly weight = new nn.Parameter(torch.ones([1]));

  constructor() {
    super();
    this.registerBuffer('seen', torch.tensor(3));
  }
}

class Twice extends nn.Module {
  readonly left = new Counted();
  readonly right = this.left;
  readonly more = new nn.ModuleList([new Counted()]);
}

test('a state dict may lack what a module below says, under every key of it; the rest is required', (t) => {
  const model = new Twice();
  const state = new Map([...model.stateDict()].filter(([key]) => !key.endsWith('seen')));
  t.deepEqual([...state.keys()], ['left.weight', 'right.weight', 'more.0.weight']);
  t.deepEqual(model.loadStateDict(state), { missing: [], unexpected: [] });
  t.is(model.left.seen.item(), 3);
  state.delete('more.0.weight');
  const { missing } = t.throws(() => model.loadStateDict(state), { instanceOf: nn.StateDictError });
  t.deepEqual(missing, ['more.0.weight']);
  t.throws(() => model.loadStateDict(new Map([...model.stateDict(), ['left.absent', torch.ones([1])]])), {
    instanceOf: nn.StateDictError,
  });
});

test('a tensor [1] is loaded into a scalar, others are not', (t) => {
  const model = new Counted();
  const load = (seen: Tensor) => model.loadStateDict(new Map([...model.stateDict(), ['seen', seen]]));
  load(torch.tensor([7]));
  t.is(model.seen.item(), 7);
  t.deepEqual(model.seen.shape, []);
  for (const shape of [[2], [1, 1], [0]])
    t.throws(() => load(torch.ones(shape)), { message: /seen: shape \[.*\], expected \[\]/ });
});
