/** Threads and precisions that `auto` chooses. */
import test from 'ava';
import { availableParallelism } from 'node:os';
import { torch } from '../../../src/index.js';
import { precisions } from '../../../src/runs/setting-kinds.js';
import {
  fasterPrecision,
  fastestHalf,
  idleProcessors,
  noteOnPrecision,
} from '../../../src/training/engine/tune.js';

test('a run that found the machine busy does not bind the runs after it to its threads', async (t) => {
  const present = torch.getNumThreads();
  t.teardown(() => torch.setNumThreads(present));
  torch.setNumThreads(2);
  const most = Math.min(2, availableParallelism());
  const busy = await idleProcessors(async () => 0.6);
  t.is(busy, 1);
  torch.setNumThreads(busy);
  t.is(await idleProcessors(async () => 7.4), most, 'what the program allows');
  torch.setNumThreads(most);
  t.is(await idleProcessors(async () => 1.2), 1, 'fewer are idle');
});

test('auto times float32, and of 16 bits what the device computes fast: float16 on a GPU without bfloat16', (t) => {
  const timed: string[] = [];
  const choice = (milliseconds: Record<string, number>) => {
    const notes: string[] = [];
    const chosen = fasterPrecision('cpu', notes, (precision) => {
      timed.push(precision);
      return milliseconds[precision]!;
    });
    return [chosen, ...notes];
  };
  const note = 'a step takes 20 ms in float32, 7.0 ms in bfloat16';
  t.deepEqual(choice({ float32: 20, bfloat16: 7 }), ['bfloat16', `precision: bfloat16 (${note})`]);
  t.is(choice({ float32: 20, bfloat16: 30 })[0], 'float32');
  t.deepEqual(timed, ['float32', 'bfloat16', 'float32', 'bfloat16']);
  t.deepEqual(
    [7, 8, 9].map((major) => fastestHalf('cuda:1', () => [major, 5])),
    ['float16', 'bfloat16', 'bfloat16'],
  );
  const noted = precisions.filter((precision) => noteOnPrecision(precision, 'cpu') !== null);
  t.deepEqual(noted, ['float16', 'autocast-float16']);
  t.is(noteOnPrecision('float16', 'cuda:0'), null);
});
