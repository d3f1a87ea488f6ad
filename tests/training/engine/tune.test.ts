/** Threads that `training.threads=auto` chooses. */
import test from 'ava';
import { availableParallelism } from 'node:os';
import { torch } from '../../../src/index.js';
import { idleProcessors } from '../../../src/training/engine/tune.js';

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
