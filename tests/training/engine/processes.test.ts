import test from 'ava';
import { resolveConfig } from '../../../src/runs/config.js';
import type { CheckpointState } from '../../../src/runs/checkpoint.js';
import { notesOnProcesses } from '../../../src/training/engine/processes.js';
import { vqganConfig } from '../tiny.js';

const config = resolveConfig('vqgan', vqganConfig({ batchSize: 3, accumulate: 2 }));
const notesAfter = (processes?: number) =>
  notesOnProcesses(config, (processes === undefined ? {} : { processes }) as unknown as CheckpointState);

test('a run that goes on in another number of processes says how many images a step has now', (t) => {
  t.deepEqual(notesAfter(4), [
    'the run continues in 1 process instead of 4: a step now averages 6 images instead of 24, from where the order of ' +
      'images had come to; training.learningRate is not changed',
  ]);
  t.deepEqual(notesAfter(1), []);
  t.deepEqual(notesAfter(), [], 'a checkpoint from before there were several');
  t.deepEqual(notesOnProcesses(config, null), []);
});
