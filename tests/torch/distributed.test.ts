import test from 'ava';
import { torch } from '../../src/index.js';
import { meetingOf } from '../../src/torch/distributed/meeting.js';
import { Ranks } from './ranks.js';

const two = new Ranks();
test.before(() => two.join(60));
test.after.always(() => two.end());

/** What each rank returns. */
const collectives: Record<string, [body: string, expected: [unknown, unknown]]> = {
  'rank and worldSize': [
    'return [d.rank(), d.worldSize(), d.isInitialized()];',
    [
      [0, 2, true],
      [1, 2, true],
    ],
  ],
  'allReduce adds': [
    `const x = torch.tensor([1, 2]).mul(rank + 1); d.allReduce(x); return x.tolist();`,
    [
      [3, 6],
      [3, 6],
    ],
  ],
  'allReduce with every other operation': [
    `return ['avg', 'product', 'min', 'max'].map((op) => {
       const x = torch.full([], rank + 2, { dtype: 'float64' }); d.allReduce(x, { op }); return x.item(); });`,
    [
      [2.5, 6, 2, 3],
      [2.5, 6, 2, 3],
    ],
  ],
  'allReduce of what is not contiguous': [
    `const x = torch.tensor([[1, 2], [3, 4]]); d.allReduce(x.t()); return x.tolist();`,
    [
      [
        [2, 4],
        [6, 8],
      ],
      [
        [2, 4],
        [6, 8],
      ],
    ],
  ],
  'an awaited allReduce lets other code run, and two may run at once': [
    `const [a, b] = [torch.ones([3]), torch.ones([3])];
     const first = d.allReduce(a, { asyncOp: true }), second = d.allReduce(b, { asyncOp: true, op: 'avg' });
     await second.promise(); await first.promise(); return [a.tolist(), b.tolist()];`,
    [
      [
        [2, 2, 2],
        [1, 1, 1],
      ],
      [
        [2, 2, 2],
        [1, 1, 1],
      ],
    ],
  ],
  broadcast: [`const x = torch.tensor([rank]); d.broadcast(x, 1); return x.tolist();`, [[1], [1]]],
  allGather: [
    `return d.allGather(torch.tensor([rank, 7n].map(BigInt))).map((x) => x.tolist());`,
    [
      [
        [0, 7],
        [1, 7],
      ],
      [
        [0, 7],
        [1, 7],
      ],
    ],
  ],
  'tensors of two dtypes in one call': [
    `const list = [torch.ones([2]), torch.ones([1], { dtype: 'float64' }), torch.full([2, 1], rank)];
     d.allReduceCoalesced(list); return list.map((x) => x.tolist());`,
    [
      [[2, 2], [2], [[1], [1]]],
      [[2, 2], [2], [[1], [1]]],
    ],
  ],
  'a barrier': ['d.barrier(); await d.barrier({ asyncOp: true }).promise(); return rank;', [0, 1]],
};
for (const [title, [body, expected]] of Object.entries(collectives))
  test.serial(`collective operations: ${title}`, async (t) => t.deepEqual(await two.run(body), expected));

/** A network and its joint batch [4, 3, 2, 2] in float64, half of it here. */
const network = `
  torch.manualSeed(rank);
  const net = new nn.Sequential(new nn.Conv2d(3, 2, 1), new nn.BatchNorm2d(2), new nn.Conv2d(2, 1, 2)).double();
  const joint = torch.arange(48, { dtype: 'float64' }).sin().view([4, 3, 2, 2]);
  const half = (r = rank) => joint.narrow(0, 2 * r, 2);
  const gradients = (module) => module.parameters().map((p) => p.grad.flatten().tolist()).flat();`;

/** The same in one process, of the weights of rank 0. */
const alone = `${network}
  d.broadcastCoalesced([...net.parameters(), ...net.buffers()], 0);
  net.forward(joint).square().mean().backward();
  const expected = { gradients: gradients(net), mean: net.modules()[2].runningMean.tolist(), variance: net.modules()[2].runningVar.tolist() };
  net.zeroGrad(); torch.manualSeed(rank);`;

function closeTo(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((x, i) => Math.abs(x - b[i]!) <= 1e-12 * (1 + Math.abs(b[i]!)));
}
interface Figures {
  gradients: number[];
  mean: number[];
  variance: number[];
}

test.serial(
  'data-parallel gradients and synchronised batch norms are those of the joint batch',
  async (t) => {
    const results = (await two.run(`${alone}
    const other = new nn.Sequential(new nn.Conv2d(3, 2, 1), new nn.BatchNorm2d(2), new nn.Conv2d(2, 1, 2)).double();
    const model = new nn.DistributedDataParallel(nn.convertSyncBatchnorm(other), { bucketCapMb: 1e-5 });
    const results = [];
    for (const step of [1, 2]) { // the buckets are rebuilt in between
      model.zeroGrad();
      model.forward(half()).square().mean().backward();
      const bn = other.modules()[2];
      results.push({ gradients: gradients(other), mean: bn.runningMean.tolist(), variance: bn.runningVar.tolist() });
    }
    model.dispose();
    return { expected, results };`)) as { expected: Figures; results: [Figures, Figures] }[];
    for (const {
      expected,
      results: [first, second],
    } of results) {
      t.true(closeTo(first.gradients, expected.gradients));
      t.true(closeTo(second.gradients, expected.gradients));
      t.true(closeTo(first.mean, expected.mean) && closeTo(first.variance, expected.variance));
      t.false(closeTo(second.mean, expected.mean));
    }
  },
);

test.serial('gradients of noSync are averaged together with those of the next backward', async (t) => {
  const [own, averaged] = (await two.run(`
    const model = new nn.DistributedDataParallel(new nn.Linear(1, 1, { bias: false }));
    const { weight } = model.module;
    const back = (x) => model.forward(torch.full([1, 1], x)).sum().backward();
    model.noSync(() => back(rank + 1));
    const own = weight.grad.item();
    back(10 * (rank + 1));
    return [own, weight.grad.item()];`)) as [[number, number], [number, number]];
  t.deepEqual([own[0], averaged[0]], [1, 2]);
  t.deepEqual([own[1], averaged[1]], [16.5, 16.5]);
});

test.serial('unlike networks are refused', async (t) => {
  const messages = (await two.run(`
    try { new nn.DistributedDataParallel(new nn.Linear(1 + rank, 1)); } catch (error) { return error.name; }`)) as string[];
  t.deepEqual(messages, ['DistBackendError', 'DistBackendError']);
});

test.serial(
  'the end of a process ends the others with an error that says who waited, where and how long',
  async (t) => {
    const three = new Ranks();
    await three.join(30);
    const left = three.workers[0]!.run(`(async (d) => {
    try { d.allReduce(torch.ones([1])); } catch (error) { return [error.name, error.rank, error.timeout, error.message]; }
  })(torch.distributed)`);
    await three.workers[1]![Symbol.asyncDispose]();
    const [name, rank, timeout, message] = (await left) as [string, number, number, string];
    t.deepEqual([name, rank, timeout], ['DistBackendError', 0, 30]);
    t.regex(
      message,
      /^distributed\.allReduce: .*(closed|reset|another process).*\(rank 0 of 2, at \/.*, timeout 30 s\)$/s,
    );
    await three.end();
  },
);

test.serial('a process that does not take part ends the others after the timeout', async (t) => {
  const late = new Ranks();
  await late.join(0.4);
  const name = await late.workers[0]!.run(`(async (d) => {
    try { await d.allReduce(torch.ones([1]), { asyncOp: true }).promise(); } catch (error) { return error.name; }
  })(torch.distributed)`);
  t.is(name, 'DistBackendError');
  await late.end();
});

test('a process that nobody meets is told so after the timeout', async (t) => {
  const options = { initMethod: 'tcp://127.0.0.1:1', rank: 1, worldSize: 2, timeout: 0.3 };
  const error = await t.throwsAsync(torch.distributed.initProcessGroup(options), {
    instanceOf: torch.DistError,
    message:
      /not all of the 2 processes have connected: .*\(rank 1 of 2, at 127\.0\.0\.1:1, timeout 0\.3 s\)/,
  });
  t.is(error?.name, 'DistNetworkError');
  t.is(torch.distributed.worldSize(), 1);
});

const env = { RANK: '1', WORLD_SIZE: '4', MASTER_ADDR: 'node0', MASTER_PORT: '29500' };
test('the launchers’ variables say who meets where', (t) => {
  t.deepEqual(meetingOf({}, env), { host: 'node0', port: 29_500, rank: 1, worldSize: 4, timeout: 1800 });
  t.deepEqual(meetingOf({ initMethod: 'tcp://[::1]:5', rank: 0, timeout: 3 }, env), {
    host: '::1',
    port: 5,
    rank: 0,
    worldSize: 4,
    timeout: 3,
  });
});

const mistakes: [options: object, env: NodeJS.ProcessEnv, message: RegExp][] = [
  [{}, {}, /RANK must be an integer of at least 0, but is not set/],
  [{}, { ...env, WORLD_SIZE: 'two' }, /WORLD_SIZE must be an integer of at least 0, not 'two'/],
  [{}, { ...env, RANK: '4' }, /rank must be an integer from 0 to worldSize − 1, got rank 4 and worldSize 4/],
  [{}, { ...env, MASTER_ADDR: undefined }, /MASTER_ADDR is not set/],
  [{}, { ...env, MASTER_PORT: '70000' }, /MASTER_PORT: a port is a number from 1 to 65535, not 70000/],
  [{ initMethod: 'mpi://' }, env, /initMethod must be .* not 'mpi:\/\/'/],
  [{ backend: 'mpi' }, env, /backend must be 'gloo', not 'mpi'/],
  [{ timeout: 0 }, env, /timeout must be a number of seconds above 0, not 0/],
];
for (const [options, variables, message] of mistakes)
  test(`a group with ${JSON.stringify({ ...options, ...variables })} is refused`, (t) => {
    t.throws(() => meetingOf(options, variables), { instanceOf: torch.ArgumentError, message });
  });

test('operations without a group say how to make one', (t) => {
  for (const call of [
    () => torch.distributed.allReduce(torch.ones([1])),
    () => torch.distributed.broadcast(torch.ones([1]), 0),
    () => torch.distributed.allGather(torch.ones([1])),
    () => torch.distributed.barrier(),
  ])
    t.throws(call, { instanceOf: torch.ArgumentError, message: /call await initProcessGroup\(\) first/ });
});
