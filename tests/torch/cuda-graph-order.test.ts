import test from 'ava';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import { pretence, pretendCuda } from '../pretended-cuda.js';

const { log } = pretence;
pretendCuda();

test.beforeEach(() => {
  log.length = 0;
  pretence.replayed = () => {};
  pretence.failing = false;
});

test.serial('runs on a stream of its own at first, is recorded once, and then only replayed', (t) => {
  let calls = 0;
  const graph = torch.cuda.graph(
    (x: Tensor) => {
      calls++;
      const result = x.mul(2);
      pretence.replayed = () => void result.copy_(x.mul(2));
      return result;
    },
    { device: 'cpu', warmUp: 2, generators: [torch.defaultGenerator()] },
  );
  t.is(graph.eagerReason, null);
  const expected = [
    ['record 0', 'wait 7', 'stream 7', 'stream 0', 'record 7', 'wait 0'],
    ['record 0', 'wait 7', 'stream 7', 'stream 0', 'record 7', 'wait 0'],
    ['synchronize 0', 'empty cache', 'stream 7', 'generator', 'begin', 'end', 'stream 0', 'replay'],
    ['replay'],
    ['replay'],
  ];
  const results = new Set<Tensor>();
  for (const [i, order] of expected.entries()) {
    log.length = 0;
    const result = graph.run(torch.tensor([i, -i]));
    t.deepEqual(result.tolist(), [2 * i, -2 * i]);
    t.deepEqual(
      log.map((line) => line.replace(/^generator \d+$/, 'generator')),
      order,
    );
    results.add(result);
  }
  t.is(calls, 3);
  t.is(results.size, 3);
  t.true(graph.captured);

  const other = torch.cuda.graph((x: Tensor) => x.clone(), { device: 'cpu', warmUp: 0, sharing: graph });
  log.length = 0;
  other.run(torch.ones([1]));
  t.true(log.includes('begin sharing'));
  other.dispose();
  graph.dispose();
  t.true(log.includes('reset'));
  t.false(graph.captured);
});

test.serial('what cannot be recorded runs eagerly from then on, with the reason', (t) => {
  let reads = 0;
  const graph = torch.cuda.graph(
    (x: Tensor) => {
      if (++reads === 2) throw new Error('operation not permitted when stream is capturing');
      return x.add(1);
    },
    { device: 'cpu', warmUp: 1 },
  );
  for (let i = 0; i < 4; i++) t.is(graph.run(torch.tensor([i])).item(), i + 1);
  t.regex(graph.eagerReason!, /could not be recorded: operation not permitted/);
  t.false(graph.captured);
  t.is(log.filter((line) => line === 'end').length, 1);
  t.true(log.includes('reset'));
  t.is(log.at(-1), 'reset');
});

test.serial('a capture that fails as it ends is a reason too', (t) => {
  pretence.failing = true;
  const graph = torch.cuda.graph((x: Tensor) => x.add(1), { device: 'cpu', warmUp: 0 });
  t.is(graph.run(torch.tensor([1])).item(), 2);
  t.regex(graph.eagerReason!, /capture was spoilt/);
});

test.serial('inputs keep their number, shapes and dtypes', (t) => {
  const graph = torch.cuda.graph((x: Tensor) => x.add(1), { device: 'cpu', warmUp: 1 });
  graph.run(torch.ones([2]));
  const wrong: [Tensor[], RegExp][] = [
    [[], /takes 1 inputs, not 0/],
    [[torch.ones([3])], /takes float32\[2\], not float32\[3\]/],
    [[torch.ones([2], { dtype: 'int64' })], /takes float32\[2\], not int64\[2\]/],
  ];
  for (const [inputs, message] of wrong) {
    t.throws(() => graph.run(...inputs), { instanceOf: torch.ArgumentError, message });
  }
});

test.serial('inputs and results outlive the scopes they were made in', (t) => {
  const graph = torch.cuda.graph((x: Tensor) => ({ sum: x.add(1) }), { device: 'cpu', warmUp: 1 });
  for (let i = 0; i < 3; i++) torch.scope(() => graph.run(torch.full([2], i)).sum.tolist());
  t.false(graph.run(torch.zeros([2])).sum.disposed);
});
