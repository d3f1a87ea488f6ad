import { readFileSync } from 'node:fs';
import test from 'ava';
import * as torch from '../../../src/torch/index.js';
import * as nn from '../../../src/torch/nn/index.js';
import * as optim from '../../../src/torch/optim/index.js';
import { withoutReading } from '../without-reading.js';

type Step = (number | string)[] | { update?: number; load?: true };

interface Case {
  options: Record<string, number>;
  optimizers: (keyof typeof optimizers)[];
  records: { step: Step; scale: number; tracker: number; parameters: number[][] }[];
}

// Written by tests/fixtures/make/grad-scaler.py.
const { cases } = JSON.parse(
  readFileSync(new URL('../../fixtures/grad-scaler.json', import.meta.url), 'utf8'),
) as { cases: Record<string, Case> };

const optimizers = {
  SGD: (p: nn.Parameter) => new optim.SGD([p], { lr: 0.5, momentum: 0.5 }),
  Adam: (p: nn.Parameter) => new optim.Adam([p], { lr: 0.25 }),
  AdamW: (p: nn.Parameter) => new optim.AdamW([p], { lr: 0.25, weightDecay: 0.5 }),
  'Adam without its kernel': (p: nn.Parameter) => new optim.Adam([p], { lr: 0.25, fused: false }),
};

const inCamelCase = (options: Record<string, number>) =>
  Object.fromEntries(
    Object.entries(options).map(([key, value]) => [
      key.replace(/_(.)/g, (_, c: string) => c.toUpperCase()),
      value,
    ]),
  );

for (const [name, { options, optimizers: names, records }] of Object.entries(cases)) {
  test(`scale, growth and weights are those of PyTorch: ${name}`, (t) => {
    const parameters = names.map(() => new nn.Parameter(torch.tensor([1, -2])));
    const steppers = names.map((kind, i) => optimizers[kind](parameters[i]!));
    let scaler = new torch.amp.GradScaler(inCamelCase(options));
    for (const [i, { step, ...expected }] of records.entries()) {
      const { load = false, update } = Array.isArray(step) ? {} : step;
      if (load) {
        const state = scaler.stateDict() as torch.amp.GradScalerState;
        scaler = new torch.amp.GradScaler();
        scaler.loadStateDict(state);
      }
      const factors = Array.isArray(step) ? step.map(Number) : names.map(() => 1);
      for (const stepper of steppers) stepper.zeroGrad();
      const losses = parameters.map((parameter, j) => parameter.mul(torch.floatScalar(factors[j]!)).sum());
      scaler.scale(torch.stack(losses).sum()).backward();
      for (const [j, stepper] of steppers.entries()) {
        const stepped = scaler.step(stepper);
        const waits = names[j] === 'SGD' || names[j] === 'Adam without its kernel';
        const before = records[i - 1]?.parameters ?? names.map(() => [1, -2]);
        const moved = String(before[j]) !== String(expected.parameters[j]);
        t.is(stepped, waits ? moved : null, `step ${i}`);
      }
      scaler.update(update);
      const { scale, _growth_tracker: tracker } = scaler.stateDict() as torch.amp.GradScalerState;
      t.deepEqual({ scale, tracker }, { scale: expected.scale, tracker: expected.tracker }, `step ${i}`);
      for (const [j, parameter] of parameters.entries()) {
        const difference = parameter.detach().sub(torch.tensor(expected.parameters[j]!)).abs().max().item();
        t.true(difference < 1e-6, `step ${i}, parameter ${j}: off by ${difference}`);
      }
    }
  });
}

test('a step of Adam, with unscaling and update, does not wait for the device', (t) => {
  const p = new nn.Parameter(torch.tensor([1, 2]));
  const scaler = new torch.amp.GradScaler({ initScale: 8 });
  const optimizer = optimizers.Adam(p);
  const step = (factor: number) => {
    optimizer.zeroGrad();
    scaler.scale(p.mul(torch.floatScalar(factor)).sum()).backward();
    scaler.unscale_(optimizer);
    const found = scaler.foundInf(optimizer).clone();
    scaler.step(optimizer);
    scaler.update();
    return found;
  };
  const found = withoutReading(t, () => [1, NaN, 2].map(step));
  t.deepEqual(
    found.map((flag) => flag.item()),
    [0, 1, 0],
  );
  t.is(optimizer.state.get(p)!['step']!.item(), 2);
  t.is(optimizer.foundInf, null);
  t.is(scaler.getScale(), 4);
});

test('an optimizer that skips by its own flag still does', (t) => {
  const p = new nn.Parameter(torch.tensor([1, 2]));
  const scaler = new torch.amp.GradScaler();
  const optimizer = optimizers.Adam(p);
  const own = torch.ones([]);
  optimizer.foundInf = own;
  scaler.scale(p.sum()).backward();
  scaler.step(optimizer);
  t.deepEqual(p.tolist(), [1, 2]);
  t.is(optimizer.foundInf, own);
});

test('gradients are unscaled once, to be clipped, and a disabled scaler does nothing', (t) => {
  const p = new nn.Parameter(torch.tensor([3, 4]));
  const optimizer = new optim.SGD([p], { lr: 1 });
  const scaler = new torch.amp.GradScaler({ initScale: 1024 });
  scaler.scale(p.square().sum().div(2)).backward();
  scaler.unscale_(optimizer);
  t.is(nn.clipGradNorm_([p], 1).item(), 5);
  t.true(scaler.step(optimizer));
  t.true(
    p
      .detach()
      .sub(torch.tensor([2.4, 3.2]))
      .abs()
      .max()
      .item() < 1e-5,
  );
  t.is(scaler.scaleOn('cpu').item(), 1024);
  const off = new torch.amp.GradScaler({ enabled: false });
  const loss = p.sum();
  t.is(off.scale(loss), loss);
  t.true(off.step(optimizer));
  off.update();
  t.is(off.foundInf(optimizer).item(), 0);
  t.deepEqual([off.getScale(), off.scaleOn('cpu').item(), off.stateDict()], [1, 1, {}]);
});

test('calls out of order are refused', (t) => {
  const p = new nn.Parameter(torch.tensor([1, 2]));
  const [optimizer, other] = [
    new optim.SGD([p], { lr: 0.1 }),
    new optim.SGD([new nn.Parameter(p)], { lr: 0.1 }),
  ];
  const scaler = new torch.amp.GradScaler();
  t.throws(() => scaler.step(optimizer), { message: /backward/ });
  t.throws(() => scaler.update(), { message: /backward/ });
  scaler.scale(p.sum()).backward();
  t.throws(() => scaler.update(), { message: /step/ });
  t.throws(() => scaler.foundInf(optimizer), { message: /unscale_/ });
  scaler.unscale_(optimizer);
  t.throws(() => scaler.unscale_(optimizer), { message: /already called/ });
  scaler.step(optimizer);
  t.throws(() => scaler.step(optimizer), { message: /step was already called/ });
  t.throws(() => scaler.unscale_(optimizer), { message: /after step/ });
  t.throws(() => scaler.step(other), { message: /no parameter .* has a gradient/ });
  t.throws(() => new torch.amp.GradScaler({ growthFactor: 1 }), { message: /growthFactor/ });
  t.throws(() => new torch.amp.GradScaler({ backoffFactor: 1 }), { message: /backoffFactor/ });
  const half = new nn.Parameter(torch.ones([1], { dtype: 'float16' }));
  half.grad = torch.ones([1], { dtype: 'float16' });
  t.throws(() => scaler.unscale_(new optim.SGD([half], { lr: 1 })), { message: /float16 gradient/ });
});

test('a disposed scaler has given its tensors back', (t) => {
  const p = new nn.Parameter(torch.tensor([1, 2]));
  const optimizer = new optim.SGD([p], { lr: 0.1 });
  torch.scope(() => {
    p.grad = torch.ones([2]);
    const before = torch.memory().tensors;
    const scaler = new torch.amp.GradScaler();
    torch.scope(() => void scaler.scale(p.sum()));
    scaler.unscale_(optimizer);
    t.true(torch.memory().tensors > before);
    scaler.dispose();
    t.is(torch.memory().tensors, before);
  });
});

test('a step that threw can be taken again after forget', (t) => {
  const p = new nn.Parameter(torch.tensor([3, 4]));
  const optimizer = new optim.SGD([p], { lr: 1 });
  const scaler = new torch.amp.GradScaler({ initScale: 4 });
  const take = () => {
    p.grad = null;
    scaler.scale(p.sum()).backward();
    scaler.unscale_(optimizer);
  };
  take();
  t.throws(take, { message: /unscale_ was already called/ });
  scaler.forget();
  take();
  t.true(scaler.step(optimizer));
  scaler.update();
  t.deepEqual(p.tolist(), [2, 3]);
});
