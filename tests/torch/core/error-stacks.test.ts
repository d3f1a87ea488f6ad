import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { inspect, promisify } from 'node:util';
import test from 'ava';
import { nn, optim, torch, type Tensor } from 'tessera-torch';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const run = promisify(execFile);
const x = torch.ones([2, 5]);

function frames(error: Error): string[] {
  return error.stack!.split('\n').filter((line) => /^ +at /.test(line));
}

/** Blocks around a layer that does not fit, as deep as real models are. */
class Wrapped extends nn.Module {
  readonly inner: nn.Module;
  constructor(depth: number) {
    super();
    this.inner = depth === 0 ? new nn.Linear(3, 4) : new nn.Sequential(new Wrapped(depth - 1));
  }
  override forward(input: Tensor): Tensor {
    return this.inner.forward(input) as Tensor;
  }
}

const leaf = (): Tensor => torch.ones([2], { requiresGrad: true });
const broken = (): Tensor => torch.ones([2]).add(torch.ones([3]));

/** Calls that fail, each in a function whose name the stack must show. */
const CALLS: Record<string, (t: unknown) => unknown> = {
  'an operator': function caller() {
    return broken();
  },
  'a layer': function caller() {
    return new nn.Linear(3, 4).forward(x);
  },
  'layers within twelve others': function caller() {
    return new Wrapped(12).forward(x);
  },
  'a function of nn': function caller() {
    return new nn.Bilinear(2, 2, 2).forward(x, x);
  },
  'backward of nothing recorded': function caller() {
    return torch.ones([1]).backward();
  },
  'torch.grad': function caller() {
    return torch.grad([leaf().sum()], [leaf()]);
  },
  'an optimizer whose parameter was disposed': function caller() {
    const parameter = new nn.Parameter(torch.ones([2]));
    const optimizer = new optim.AdamW([parameter]);
    parameter.dispose();
    optimizer.step();
  },
  'a scope': function caller() {
    return torch.scope(() => torch.noGrad(() => torch.scope(() => broken())));
  },
  'a state dict that does not fit': function caller() {
    return new nn.Linear(3, 4).loadStateDict(new nn.Linear(4, 4).stateDict());
  },
  'a checkpointed part': function caller() {
    return torch.checkpoint(() => broken(), [leaf()]);
  },
  'a property': function caller() {
    const tensor = torch.ones([1]);
    tensor.dispose();
    return tensor.shape;
  },
  'a built-in function between': function caller() {
    return [torch.ones([2])].map((tensor) => tensor.add(torch.ones([3])));
  },
};

for (const [what, call] of Object.entries(CALLS)) {
  test(`the stack begins with the caller's frames: ${what}`, (t) => {
    const error = t.throws(() => call(t));
    const shown = frames(error);
    t.regex(shown.slice(0, 16).join('\n'), /caller|error-stacks\.test/);
    t.deepEqual(
      shown.filter((frame) => frame.includes(`${root}dist/`) || frame.includes(`${root}src/`)),
      [],
    );
    t.regex(shown[0]!, /error-stacks\.test|Array\.map/);
    t.true(error.stack!.startsWith(`${error.name}: ${error.message}`));
  });
}

test('what fails in a hook shows the hook, and then who called backward', (t) => {
  const tensor = leaf();
  tensor.registerHook(function hook() {
    broken();
  });
  const error = t.throws(function caller() {
    tensor.sum().backward();
  });
  t.regex(frames(error).join('\n'), /broken[^]*hook[^]*caller/);
});

test("what fails in a custom function's backward shows it", (t) => {
  const fails = torch.customFunction({
    forward: (_, input: Tensor) => input.clone(),
    backward: function ownBackward() {
      throw new torch.ArgumentError('no gradient here');
    },
  });
  const error = t.throws(function caller() {
    fails(leaf()).sum().backward();
  });
  t.regex(frames(error).join('\n'), /ownBackward[^]*caller/);
  t.regex(error.stack!, /no gradient here/);
});

test('asynchronous callers are in the stack', async (t) => {
  async function inner(): Promise<Tensor> {
    await Promise.resolve();
    return new Wrapped(6).forward(x);
  }
  async function outer(): Promise<Tensor> {
    return await inner();
  }
  const error = await t.throwsAsync(outer());
  t.regex(frames(error).join('\n'), /inner[^]*async outer/);
});

for (const limit of [0, 2, 50, Infinity]) {
  test.serial(`Error.stackTraceLimit is respected and left as it is: ${limit}`, (t) => {
    const before = Error.stackTraceLimit;
    Error.stackTraceLimit = limit;
    try {
      const error = t.throws(() => new Wrapped(4).forward(x));
      t.is(Error.stackTraceLimit, limit);
      t.true(frames(error).length <= limit);
      if (limit > 0) t.regex(frames(error)[0]!, /error-stacks\.test/);
    } finally {
      Error.stackTraceLimit = before;
    }
  });
}

test.serial('a program that formats stacks itself gets the error and the frames', (t) => {
  const before = Error.prepareStackTrace;
  try {
    Error.prepareStackTrace = (error, sites) => ({ message: error.message, count: sites.length });
    const error = t.throws(broken);
    const { message, count } = error.stack as unknown as { message: string; count: number };
    t.is(message, error.message);
    t.true(count > 0);
  } finally {
    Error.prepareStackTrace = before;
  }
});

test('a stack can be set', (t) => {
  const error = t.throws(broken);
  error.stack = 'mine';
  t.is(error.stack, 'mine');
});

class Down extends nn.Module {
  readonly conv = new nn.Linear(3, 4);
  override forward(input: Tensor): Tensor {
    return this.conv.forward(input);
  }
}
class Encoder extends nn.Module {
  readonly down = new nn.ModuleList([new Down(), new Down()]);
  readonly normOut = new nn.GroupNorm(2, 4);
  readonly #hidden = new nn.Linear(3, 4);
  #mode: string;
  constructor(mode: string) {
    super();
    this.#mode = mode;
  }
  override forward(input: Tensor): Tensor {
    if (this.#mode === 'down') return this.down.get(1).forward(input);
    if (this.#mode === 'norm') return this.normOut.forward(torch.ones([1, 3, 2]));
    if (this.#mode === 'hidden') return this.#hidden.forward(input);
    return input.matmul(input);
  }
}
class Model extends nn.Module {
  readonly encoder: Encoder;
  constructor(mode: string) {
    super();
    this.encoder = new Encoder(mode);
  }
  override forward(input: Tensor): Tensor {
    return this.encoder.forward(input);
  }
}
const PATHS: [string, nn.Module, string][] = [
  ['deep', new Model('down'), '(in encoder.down.1.conv: Linear)'],
  ['by its key in state dicts', new Model('norm'), '(in encoder.norm_out: GroupNorm)'],
  ['what a module computes itself', new Model('own'), '(in encoder: Encoder)'],
  ['the model itself', new nn.Linear(3, 4), '(in Linear)'],
  ['in a Sequential', new nn.Sequential(new nn.ReLU(), new nn.Linear(3, 4)), '(in 1: Linear)'],
  ['where the module is not found', new Model('hidden'), '(in encoder: Linear)'],
];
for (const [what, model, place] of PATHS) {
  test(`an error names the module it comes from: ${what}`, (t) => {
    const error = t.throws(() => model.forward(x) as unknown, { instanceOf: torch.TorchError });
    t.true(error.message.endsWith(place), error.message);
    t.true(error.stack!.includes(place));
  });
}

test('an error that is not of tensors comes out of modules as it was', (t) => {
  const own = new RangeError('mine');
  class Throws extends nn.Module {
    override forward(): never {
      throw own;
    }
  }
  t.is(
    t.throws(() => new nn.Sequential(new Throws()).forward(x)),
    own,
  );
  t.is(own.message, 'mine');
});

for (const [what, thrown] of [
  ['a frozen error', Object.freeze(new TypeError('mine'))],
  ["a frozen error of the package's", Object.freeze(new torch.TorchError('mine'))],
  ['a text', 'mine'],
  ['null', null],
  ['undefined', undefined],
] as const) {
  test(`what the program throws comes out as it was: ${what}`, (t) => {
    class Throws extends nn.Module {
      override forward(): never {
        throw thrown; // oxlint-disable-line typescript/only-throw-error
      }
    }
    const model = new nn.Sequential(new nn.Sequential(new Throws()));
    const leaf = torch.ones([2], { requiresGrad: true });
    leaf.registerHook(() => model.forward(x));
    for (const call of [() => model.forward(x) as unknown, () => leaf.sum().backward()]) {
      let caught: unknown = 'nothing';
      try {
        call();
      } catch (error) {
        caught = error;
      }
      t.is(caught, thrown);
      if (thrown instanceof Error) t.is(thrown.message, 'mine');
    }
  });
}

test("libtorch's words and its C++ trace are made when they are read, not before, and not printed", (t) => {
  const error = t.throws(() => new nn.Linear(3, 4).forward(x));
  const lazy = Object.getOwnPropertyDescriptor(error, 'cause')!;
  t.is(typeof lazy.get, 'function');
  t.notRegex(inspect(error), /frame #\d/);
  const cause = error.cause as Error;
  t.true(cause instanceof Error);
  t.regex(cause.message, /Exception raised from|frame #0/);
  t.is(error.cause, cause);
  t.notRegex(inspect(error), /frame #\d/);
});

test('traces stay readable while many other errors come and go', (t) => {
  const errors = Array.from({ length: 100 }, () => t.throws(broken));
  for (let i = 0; i < 200; i++) t.throws(broken);
  for (const error of errors.filter((_, i) => i % 20 === 0))
    t.regex((error.cause as Error).message, /must match the size/);
});

for (const [debug, internal] of [
  ['', false],
  ['1', true],
] as const) {
  test(`an uncaught error prints the caller's lines ${internal ? "and, with TESSERA_DEBUG, the package's" : 'only'}`, async (t) => {
    const code = `import { nn, torch } from ${JSON.stringify(new URL('../../../dist/index.js', import.meta.url).href)};
      function caller() { new nn.Sequential(new nn.Linear(3, 4)).forward(torch.ones([2, 5])); }
      caller();`;
    const outcome = await t.throwsAsync<Error & { stderr: string }>(
      run(process.execPath, ['--input-type=module', '-e', code], {
        env: { ...process.env, NODE_OPTIONS: '', TESSERA_DEBUG: debug },
      }),
    );
    const lines = outcome.stderr.split('\n');
    t.notRegex(outcome.stderr, /frame #\d/);
    t.true(lines.length < 30, `${lines.length} lines`);
    t.is(/at .*dist\/chunks\//.test(outcome.stderr), internal);
    if (!internal)
      t.regex(
        lines.find((line) => /^ +at /.test(line))!,
        /caller/,
      );
  });
}
