import { readFileSync } from 'node:fs';
import test from 'ava';
import * as torch from '../../../src/torch/index.js';
import type { Tensor } from '../../../src/torch/index.js';
import * as nn from '../../../src/torch/nn/index.js';

type Stored = [shape: number[], values: number[]];

interface Case {
  text: string;
  state: Record<string, Stored>;
  input: Stored;
  states: Stored[] | null;
  /** Output and states, in one list. */
  results: Stored[];
  /** Of the input, then of the parameters. */
  gradients: Stored[];
  next: number;
}

const fixture = JSON.parse(
  readFileSync(new URL('../../fixtures/recurrent.json', import.meta.url), 'utf8'),
) as { seed: number; cases: Record<string, Case> };

const float64 = { dtype: 'float64' } as const;

const layers: Record<string, () => nn.Module> = {
  RNN: () => new nn.RNN(3, 4, float64),
  'RNN relu': () => new nn.RNN(3, 4, { nonlinearity: 'relu', numLayers: 2, ...float64 }),
  GRU: () => new nn.GRU(3, 4, { batchFirst: true, bidirectional: true, ...float64 }),
  'GRU without batch': () => new nn.GRU(3, 4, { numLayers: 2, bias: false, ...float64 }),
  LSTM: () => new nn.LSTM(3, 4, float64),
  'LSTM all': () =>
    new nn.LSTM(3, 4, {
      numLayers: 2,
      batchFirst: true,
      dropout: 0.3,
      bidirectional: true,
      projSize: 2,
      ...float64,
    }),
  'LSTM without batch': () => new nn.LSTM(3, 4, { bias: false, batchFirst: true, ...float64 }),
  RNNCell: () => new nn.RNNCell(3, 4, float64),
  'RNNCell relu': () => new nn.RNNCell(3, 4, { bias: false, nonlinearity: 'relu', ...float64 }),
  GRUCell: () => new nn.GRUCell(3, 4, float64),
  'GRUCell without batch': () => new nn.GRUCell(3, 4, float64),
  LSTMCell: () => new nn.LSTMCell(3, 4, float64),
  'LSTMCell without batch': () => new nn.LSTMCell(3, 4, { bias: false, ...float64 }),
};

const restored = ([shape, values]: Stored): Tensor => torch.tensor(values, float64).reshape(shape);

function near(actual: Tensor | null, expected: Stored): boolean {
  if (actual?.shape.join() !== expected[0].join()) return false;
  return actual.sub(restored(expected)).abs().max().item() < 1e-12;
}

test('the fixture and this file list the same layers', (t) => {
  t.deepEqual(Object.keys(layers), Object.keys(fixture.cases));
});

for (const [name, make] of Object.entries(layers)) {
  test(`is what PyTorch has: ${name}`, (t) => {
    const expected = fixture.cases[name]!;
    torch.manualSeed(fixture.seed);
    const module = make();
    t.is(String(module), expected.text);
    const state = module.stateDict();
    t.deepEqual([...state.keys()], Object.keys(expected.state));
    for (const [key, value] of state) t.true(near(value, expected.state[key]!), key);

    const input = restored(expected.input).requiresGrad_();
    const states = expected.states?.map(restored) ?? null;
    torch.manualSeed(fixture.seed);
    const hx = name.startsWith('LSTM') ? states : (states?.[0] ?? null);
    const results = [module.forward(input, hx)].flat(2) as Tensor[];
    t.is(results.length, expected.results.length);
    results.forEach((result, i) => t.true(near(result, expected.results[i]!), `result ${i}`));
    t.is(torch.rand([], float64).item(), expected.next, 'as many random numbers were drawn');

    torch
      .stack(results.map((result) => result.square().sum()))
      .sum()
      .backward();
    [input, ...module.parameters()].forEach(({ grad }, i) =>
      t.true(near(grad, expected.gradients[i]!), `gradient ${i}`),
    );
  });
}

test('parameters are fields, and may be replaced, loaded and moved', (t) => {
  const lstm = new nn.LSTM(3, 4, { bidirectional: true });
  t.deepEqual(lstm.weightIhL0?.shape, [16, 3]);
  t.is(lstm.namedParameters().length, 8);
  lstm.weightIhL0Reverse = new nn.Parameter(torch.zeros([16, 3]));
  t.is(lstm.stateDict().get('weight_ih_l0_reverse'), lstm.weightIhL0Reverse);
  const x = torch.randn([5, 2, 3]);
  const [output, [hidden, cell]] = lstm.forward(x);
  t.deepEqual([output.shape, hidden.shape, cell.shape], [[5, 2, 8], [2, 2, 4], [2, 2, 4]]); // prettier-ignore
  const copy = new nn.LSTM(3, 4, { bidirectional: true });
  copy.loadStateDict(lstm.stateDict());
  t.true(copy.forward(x)[0].equal(output));
  t.is(copy.to('bfloat16').forward(x.to('bfloat16'))[0].dtype, 'bfloat16');
});

test('cells, step by step, compute what the layer does over the sequence', (t) => {
  const [gru, cell] = [new nn.GRU(3, 4), new nn.GRUCell(3, 4)];
  cell.loadStateDict(new Map([...gru.stateDict()].map(([key, value]) => [key.replace('_l0', ''), value])));
  const x = torch.randn([5, 2, 3]);
  let state: Tensor | null = null;
  for (const step of x.unbind()) state = cell.forward(step, state);
  t.true(state!.allclose(gru.forward(x)[0].select(0, -1)));
});

test('what does not fit is refused', (t) => {
  t.throws(() => new nn.LSTM(3, 0), { message: /LSTM: hiddenSize must be a positive integer, not 0/ });
  t.throws(() => new nn.LSTM(3, 4, { projSize: 4 }), {
    message: /projSize must be below hiddenSize 4, not 4/,
  });
  t.throws(() => new nn.GRU(3, 4, { dropout: 2 }), { message: /dropout must be in \[0, 1\]/ });
  t.throws(() => new nn.RNN(3, 4, { nonlinearity: 'gelu' as 'relu' }), {
    message: /tanh or relu, not 'gelu'/,
  });
  const lstm = new nn.LSTM(3, 4);
  t.throws(() => lstm.forward(torch.zeros([3])), {
    instanceOf: torch.ShapeError,
    message: /2 or 3 dimensions/,
  });
  t.throws(() => lstm.forward(torch.zeros([5, 2, 2])), {
    message: /'params'\[0\] must have shape \[16, 2\]/,
  });
  t.throws(() => new nn.GRUCell(3, 4).forward(torch.zeros([2, 3]), torch.zeros([1, 4])), {
    instanceOf: torch.TorchError,
  });
});

test('under autocast they compute in the lower precision, whatever they are given', (t) => {
  const lstm = new nn.LSTM(3, 4);
  const x = torch.randn([5, 2, 3]);
  const [output, states] = torch.autocast('cpu', () => lstm.forward(x));
  t.is(output.dtype, 'bfloat16');
  t.is(torch.autocast('cpu', () => lstm.forward(x.to('bfloat16'), states))[0].dtype, 'bfloat16');
});
