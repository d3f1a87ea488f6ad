import test from 'ava';
import * as torch from '../../src/torch/index.js';
import { Profile } from '../../src/torch/profiler.js';

const { profile } = torch.profiler;

const counts = (recorded: Profile) => new Map(recorded.keyAverages().map(({ key, count }) => [key, count]));

test.serial('operators are recorded by name and counted', (t) => {
  const x = torch.ones([8, 8]);
  const recorded = profile(() => {
    for (let i = 0; i < 3; i++) x.add(x);
    x.matmul(x);
  });
  const found = counts(recorded);
  t.is(found.get('aten::add'), 3);
  t.is(found.get('aten::matmul'), 1);
  t.is(found.get('aten::mm'), 1); // called by matmul
  t.false(found.has('aten::relu'));
});

test.serial('an operator lies within the one that calls it', (t) => {
  const x = torch.ones([8, 8]);
  const { events } = profile(() => x.matmul(x));
  const [outer, inner] = ['aten::matmul', 'aten::mm'].map((name) =>
    events.find((event) => event.name === name)!,
  );
  t.is(outer!.thread, inner!.thread);
  t.true(0 <= outer!.start && outer!.start <= inner!.start);
  t.true(inner!.start < inner!.end && inner!.end <= outer!.end);
});

test.serial('steps of backward are recorded', (t) => {
  const x = torch.ones([8, 8], { requiresGrad: true });
  const found = counts(profile(() => x.mul(x).sum().backward()));
  t.true(
    [...found.keys()].some((key) => key.includes('MulBackward0')),
    [...found.keys()].join(),
  );
});

test('time of its own is without the events inside; time is counted once where a name is in itself', (t) => {
  const event = (name: string, start: number, end: number, thread = 1) => ({ name, thread, start, end });
  const recorded = new Profile([
    event('inner', 2, 5),
    event('outer', 0, 10),
    event('outer', 6, 8), // in the first
    event('inner', 6, 7), // in the second
    event('inner', 1, 3, 2), // in none: another thread
    event('later', 10, 11), // begins where the first ends
  ]);
  t.deepEqual(recorded.keyAverages(), [
    { key: 'outer', count: 2, selfCpuTimeTotal: 10 - 3 - 1, cpuTimeTotal: 10 },
    { key: 'inner', count: 3, selfCpuTimeTotal: 3 + 1 + 2, cpuTimeTotal: 3 + 1 + 2 },
    { key: 'later', count: 1, selfCpuTimeTotal: 1, cpuTimeTotal: 1 },
  ]);
});

test.serial(
  'what throws, waits or is profiled already ends in an error, and the next profile is whole',
  async (t) => {
    t.throws(
      () =>
        profile(() => {
          throw new Error('mine');
        }),
      { message: 'mine' },
    );
    t.throws(() => profile(async () => {}), {
      instanceOf: torch.TorchError,
      message: /returned a promise/,
    });
    t.throws(() => profile(async () => Promise.reject(new Error('mine'))), {
      message: /returned a promise/,
    });
    t.throws(() => profile(() => profile(() => {})), { instanceOf: torch.TorchError, message: /already/ });
    const x = torch.ones([4]);
    t.is(counts(profile(() => x.neg())).get('aten::neg'), 1);
  },
);
