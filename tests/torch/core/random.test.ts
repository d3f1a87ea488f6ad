import test from 'ava';
import * as tessera from 'tessera-torch';
import { torch } from 'tessera-torch';
import { TorchWorker } from '../in-worker.js';

type Draw = (package_: typeof tessera) => unknown;

/** Draws, as code that runs here and in a worker: every way in which numbers are drawn without a generator given. */
const DRAWS: Record<string, Draw> = {
  rand: ({ torch }) => torch.rand([3]).tolist(),
  randn: ({ torch }) => torch.randn([17]).tolist(),
  randint: ({ torch }) => torch.randint(0, 1000, [3]).tolist(),
  randperm: ({ torch }) => torch.randperm(9).tolist(),
  'like another tensor': ({ torch }) => torch.randLike(torch.zeros([3])).tolist(),
  bernoulli_: ({ torch }) => torch.zeros([9]).bernoulli_(0.5).tolist(),
  normal_: ({ torch }) => torch.zeros([3]).normal_().tolist(),
  uniform_: ({ torch }) => torch.zeros([3]).uniform_(0, 1).tolist(),
  exponential_: ({ torch }) => torch.zeros([3]).exponential_().tolist(),
  multinomial: ({ torch }) => torch.ones([9]).multinomial(4).tolist(),
  poisson: ({ torch }) => torch.full([4], 5).poisson().tolist(),
  dropout: ({ torch }) => torch.dropout(torch.ones([16]), 0.5, true).tolist(),
  'a Dropout layer': ({ torch, nn }) => new nn.Dropout(0.5).forward(torch.ones([16])).tolist(),
  'alpha dropout': ({ torch }) => torch.alphaDropout(torch.ones([16]), 0.5, true).tolist(),
  'feature dropout': ({ torch }) => torch.featureDropout(torch.ones([8, 4, 2]), 0.5, true).tolist(),
  rrelu: ({ torch }) => torch.rrelu(torch.full([8], -1), 0.1, 0.9, true).tolist(),
  'attention with dropout': ({ torch, F }) =>
    F.scaledDotProductAttention(
      torch.ones([1, 1, 8, 4]),
      torch.ones([1, 1, 8, 4]),
      torch.ones([1, 1, 8, 4]),
      { dropoutP: 0.5 },
    ).tolist(),
  'initial weights': ({ nn }) => new nn.Linear(3, 2).weight.tolist(),
  'nn.init': ({ torch, nn }) => nn.init.xavierNormal_(torch.zeros([2, 3])).tolist(),
  'an operator by name': ({ torch }) =>
    torch.callOperator('aten::native_dropout', '', [torch.ones([16]), 0.5, true])[1].tolist(),
};

const there = (worker: TorchWorker, draw: Draw): Promise<unknown> => worker.run(`(${String(draw)})(tessera)`);

test.serial(
  'what a worker draws leaves the sequence of the main thread alone, and the other way round',
  async (t) => {
    await using worker = new TorchWorker();
    for (const [name, draw] of Object.entries(DRAWS)) {
      torch.manualSeed(3);
      const expected = [draw(tessera), draw(tessera)];
      t.notDeepEqual(expected[0], expected[1], `${name} draws`);
      torch.manualSeed(3);
      await worker.run('torch.manualSeed(3).device');
      const main = [draw(tessera)];
      const other = [await there(worker, draw), await there(worker, draw)];
      main.push(draw(tessera));
      t.deepEqual(main, expected, `${name}: the main thread's sequence`);
      t.deepEqual(other, expected, `${name}: the worker's, which is the same for the same seed`);
    }
  },
);

test.serial('seeds and states in a worker are those of its own generators', async (t) => {
  await using worker = new TorchWorker();
  torch.manualSeed(5);
  const state = torch.defaultGenerator().getState().tolist();
  await worker.run('torch.manualSeed(6).device');
  t.is(torch.defaultGenerator().initialSeed(), 5n);
  t.is(await worker.run('torch.defaultGenerator().initialSeed()'), 6n);
  await worker.run('torch.defaultGenerator().setState(torch.defaultGenerator().getState()).device');
  await worker.run('torch.rand([2], { generator: torch.defaultGenerator() }).tolist()');
  t.deepEqual(torch.defaultGenerator().getState().tolist(), state);
  await worker.run('(globalThis.state = torch.defaultGenerator().getState(), 0)');
  const next = await worker.run('torch.rand([2]).tolist()');
  await worker.run('torch.defaultGenerator().setState(globalThis.state).device');
  t.deepEqual(await worker.run('torch.rand([2]).tolist()'), next);
});

test.serial('workers that were never seeded draw different numbers', async (t) => {
  await using one = new TorchWorker();
  await using two = new TorchWorker();
  const draws = await Promise.all([one, two].map((worker) => worker.run('torch.rand([4]).tolist()')));
  t.notDeepEqual(draws[0], draws[1]);
});

test.serial('threads that draw at the same time each go through their own sequence', async (t) => {
  const draw: Draw = ({ torch }) => Array.from({ length: 300 }, () => torch.randn([100]).sum().item());
  torch.manualSeed(1);
  const expected = draw(tessera);
  await using one = new TorchWorker();
  await using two = new TorchWorker();
  for (const worker of [one, two]) await worker.run('torch.manualSeed(1).device');
  torch.manualSeed(1);
  const others = [there(one, draw), there(two, draw)];
  t.deepEqual(draw(tessera), expected);
  for (const other of others) t.deepEqual(await other, expected);
});

test.serial('a generator that is given is used as it is, in any thread', async (t) => {
  const draw: Draw = ({ torch }) =>
    torch.rand([3], { generator: new torch.Generator().manualSeed(8) }).tolist();
  await using worker = new TorchWorker();
  torch.manualSeed(2);
  const before = torch.defaultGenerator().getState().tolist();
  t.deepEqual(await there(worker, draw), draw(tessera));
  t.deepEqual(torch.defaultGenerator().getState().tolist(), before);
});

test.serial('the sequence of a seed is that of PyTorch', (t) => {
  torch.manualSeed(0);
  t.deepEqual(torch.rand([3]).tolist(), [0.49625658988952637, 0.7682217955589294, 0.08847743272781372]);
});
