import { readFileSync } from 'node:fs';
import test from 'ava';
import * as torch from '../../../src/torch/index.js';
import type { Tensor } from '../../../src/torch/index.js';
import * as nn from '../../../src/torch/nn/index.js';
import * as optim from '../../../src/torch/optim/index.js';

type Nested = number | Nested[];

interface Case {
  options: {
    lr?: number;
    betas?: [number, number];
    eps?: number;
    weight_decay?: number;
    amsgrad?: boolean;
    maximize?: boolean;
  };
  parameters: Nested[];
  state: Record<string, Record<string, Nested>>;
  param_groups: { params: number[]; lr: number; weight_decay: number; betas: number[]; eps: number }[];
}

const fixture = JSON.parse(
  readFileSync(new URL('../../fixtures/optimizers.json', import.meta.url), 'utf8'),
) as {
  start: Nested[];
  grads: [Nested, Nested][];
  cases: Record<string, Case>;
};

const float64 = (data: Nested): Tensor => torch.tensor(data, { dtype: 'float64' });

function make(name: string, parameters: Tensor[], fused: boolean | null): optim.Adam {
  const { weight_decay: weightDecay, ...options } = (fixture.cases[name] as Case).options;
  const Class = name.startsWith('AdamW') ? optim.AdamW : optim.Adam;
  const groups = [{ params: parameters.slice(0, 1) }, { params: parameters.slice(1), lr: 0.02 }];
  return new Class(groups, { ...options, ...(weightDecay !== undefined && { weightDecay }), fused });
}

function run(optimizer: optim.Adam, parameters: Tensor[], from: number, to: number): void {
  for (let step = from; step < to; step++) {
    const [first, second] = fixture.grads[step] as [Nested, Nested];
    torch.scope(() => {
      (parameters[0] as Tensor).grad = float64(first);
      (parameters[1] as Tensor).grad = step === 2 ? null : float64(second);
      optimizer.step();
    });
  }
}

const start = (): Tensor[] => fixture.start.map((values) => new nn.Parameter(float64(values)));

function largestDifference(a: Nested, b: Nested): number {
  const left = [a].flat(9) as number[];
  const right = [b].flat(9) as number[];
  return left.length === right.length
    ? Math.max(...left.map((x, i) => Math.abs(x - (right[i] as number))))
    : Infinity;
}

const cases = Object.entries(fixture.cases).filter(([name]) => /^AdamW?( |$)/.test(name));

for (const [name, expected] of cases) {
  for (const fused of [null, false] as const) {
    test(`${name} steps as PyTorch's${fused === null ? '' : ', one parameter at a time'}`, (t) => {
      const parameters = start();
      const optimizer = make(name, parameters, fused);
      run(optimizer, parameters, 0, fixture.grads.length);
      parameters.forEach((p, i) => {
        t.true(largestDifference(p.tolist() as Nested, expected.parameters[i] as Nested) < 1e-12);
      });
      const saved = optimizer.stateDict();
      t.deepEqual(Object.keys(saved.state), Object.keys(expected.state), 'no state without a gradient');
      for (const [i, entry] of Object.entries(saved.state)) {
        t.deepEqual(Object.keys(entry), Object.keys(expected.state[i] as object));
        for (const [key, value] of Object.entries(entry)) {
          t.true(
            largestDifference(value.tolist() as Nested, expected.state[i]?.[key] as Nested) < 1e-12,
            key,
          );
        }
      }
      saved.param_groups.forEach((group, i) => {
        const { params, lr, betas, eps, weight_decay } = group;
        const wanted = expected.param_groups[i] as Case['param_groups'][0];
        t.deepEqual(
          { params, lr, betas, eps, weight_decay },
          {
            params: wanted.params,
            lr: wanted.lr,
            betas: wanted.betas,
            eps: wanted.eps,
            weight_decay: wanted.weight_decay,
          },
        );
      });
    });
  }

  test(`${name} goes on from a state dict`, (t) => {
    const parameters = start();
    const first = make(name, parameters, null);
    run(first, parameters, 0, 3);
    const saved = first.stateDict();
    const second = make(name, parameters, null);
    (second.paramGroups[0] as { lr: number }).lr = 123;
    second.loadStateDict(saved);
    run(second, parameters, 3, fixture.grads.length);
    parameters.forEach((p, i) => {
      t.true(largestDifference(p.tolist() as Nested, expected.parameters[i] as Nested) < 1e-12);
    });
  });
}

test('step leaves no tensors behind but the state, and no gradients', (t) => {
  const layer = new nn.Linear(4, 3);
  const optimizer = new optim.Adam(layer.parameters());
  const x = torch.ones([2, 4]);
  const step = (): void => {
    torch.scope(() => {
      layer.zeroGrad();
      layer.forward(x).sum().backward();
      optimizer.step();
    });
  };
  step();
  const { tensors } = torch.memory();
  for (let i = 0; i < 5; i++) step();
  t.is(torch.memory().tensors, tensors);
  optimizer.zeroGrad();
  t.is(layer.weight.grad, null);
});

test('the state survives the scope it was made in', (t) => {
  const p = new nn.Parameter(torch.zeros([3]));
  const optimizer = torch.scope(() => {
    p.grad = torch.ones([3]);
    const made = new optim.AdamW([p], { lr: 0.1 });
    made.step();
    return made;
  });
  p.grad = torch.ones([3]);
  optimizer.step();
  t.is(optimizer.state.get(p)?.['step']?.item(), 2);
});

test('gradients and parameters in other memory layouts', (t) => {
  const values = torch.randn([4, 3, 2, 2], { dtype: 'float64' });
  const gradient = torch.randn([4, 3, 2, 2], { dtype: 'float64' });
  const nhwc = (x: Tensor): Tensor => x.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]);
  const results = [
    [values.clone(), gradient.clone()],
    [values.clone(), nhwc(gradient)],
    [nhwc(values), gradient.clone()],
    [nhwc(values), nhwc(gradient)],
    // A view with gaps: the fused kernel would write into them.
    [torch.cat([values, values], 1).narrow(1, 0, 3), gradient.clone()],
  ].map(([start, grad]) => {
    const p = new nn.Parameter(start as Tensor);
    const optimizer = new optim.AdamW([p], { lr: 0.1 });
    for (let i = 0; i < 3; i++) {
      p.grad = grad as Tensor;
      optimizer.step();
    }
    return p.tolist() as Nested;
  });
  for (const result of results) t.true(largestDifference(result, results[0] as Nested) < 1e-12);
});

test('state that does not fit is an error before the kernel runs', (t) => {
  const p = new nn.Parameter(torch.zeros([3, 3]));
  const optimizer = new optim.Adam([p]);
  p.grad = torch.ones([3, 3]);
  optimizer.step();
  const saved = optimizer.stateDict();
  const bad = {
    ...saved,
    state: { 0: { ...saved.state[0], exp_avg: torch.zeros([2]) } },
  } as optim.OptimizerState;
  t.throws(() => optimizer.loadStateDict(bad), {
    instanceOf: torch.ShapeError,
    message: /exp_avg.*\[2\].*\[3, 3\]/,
  });
  t.is(optimizer.state.get(p)?.['step']?.item(), 1, 'nothing was loaded');
  t.throws(() => new optim.Adam([p, new nn.Parameter(torch.zeros([1]))]).loadStateDict(saved), {
    instanceOf: torch.ArgumentError,
    message: /groups of \[1\].*\[2\]/,
  });
  const empty = { ...saved, state: { 0: {} } };
  t.throws(() => optimizer.loadStateDict(empty), { message: /no 'step'/ });

  (optimizer.state.get(p) as Record<string, Tensor>)['exp_avg_sq'] = torch.zeros([1]);
  t.throws(() => optimizer.step(), { instanceOf: torch.ShapeError });
  p.grad = null;
  p.data = torch.zeros([5]);
  p.grad = torch.ones([5]);
  t.throws(() => optimizer.step(), { instanceOf: torch.ShapeError });
});

test('the state follows a module to another dtype', (t) => {
  const layer = new nn.Linear(3, 2);
  const optimizer = new optim.AdamW(layer.parameters());
  const step = (): void => {
    layer
      .forward(torch.ones([1, 3], { dtype: layer.weight.dtype }))
      .sum()
      .backward();
    optimizer.step();
  };
  step();
  layer.to('float64');
  step();
  t.is(optimizer.state.get(layer.weight)?.['exp_avg']?.dtype, 'float64');
  t.is(optimizer.state.get(layer.weight)?.['step']?.dtype, 'float32');
});

test('bad settings and parameters are refused', (t) => {
  const p = new nn.Parameter(torch.zeros([1]));
  t.throws(() => new optim.Adam([]), { message: /at least one/ });
  t.throws(() => new optim.Adam([p, p]), { message: /twice/ });
  t.throws(() => new optim.Adam([p], { lr: -1 }), { message: /lr -1/ });
  t.throws(() => new optim.Adam([p], { betas: [0.9, 1] }), { message: /betas/ });
  t.throws(() => new optim.Adam([p.mul(2)]), { message: /leaf/ });
  t.throws(() => new optim.Adam([{ params: [p], lr: NaN }]), { message: /lr NaN/ });
  const whole = new nn.Parameter(torch.zeros([1], { dtype: 'complex64' }));
  whole.grad = torch.zeros([1], { dtype: 'complex64' });
  t.throws(() => new optim.Adam([whole], { fused: true }).step(), { message: /fused.*complex64/ });
});

test('a capturable optimizer follows its learning rate, and brings it to the device when told to', (t) => {
  const train = (capturable: boolean) => {
    torch.manualSeed(3);
    const parameters = [new nn.Parameter(torch.randn([4, 3])), new nn.Parameter(torch.randn([5]))];
    const groups = [{ params: [parameters[0]!] }, { params: [parameters[1]!], lr: 0.02 }];
    const optimizer = new optim.AdamW(groups, { lr: 0.01, capturable });
    const schedule = new optim.LambdaLR(optimizer, (epoch) => 1 / (1 + epoch));
    for (let step = 0; step < 6; step++) {
      for (const parameter of parameters) parameter.grad = torch.randn(parameter.shape);
      optimizer.step();
      schedule.step();
    }
    return { optimizer, weights: torch.cat(parameters.map((parameter) => parameter.detach().flatten())) };
  };
  const [plain, capturable] = [train(false), train(true)];
  // The rate on the device is float32.
  t.true(plain.weights.sub(capturable.weights).abs().max().item() < 1e-7);
  t.is(capturable.optimizer.stateDict().param_groups[0]!['capturable'], true);

  // As a replay does: the operators of a step again, with the tensors they had.
  const weight = new nn.Parameter(torch.zeros([2]));
  const optimizer = new optim.Adam([weight], { lr: 0.5, capturable: true });
  weight.grad = torch.ones([2]);
  optimizer.step();
  const before = weight.detach().clone();
  optimizer.paramGroups[0]!.lr = 0.125;
  optimizer.refreshLearningRates();
  optimizer.step();
  const moved = before.sub(weight.detach()).tolist() as number[];
  for (const distance of moved) t.true(Math.abs(distance - 0.125) < 1e-6, `${distance}`);
});
