import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { NonFiniteError, RunError } from '../../src/runs/error.js';
import { readMetrics } from '../../src/runs/folder.js';
import { Run } from '../../src/runs/run.js';
import * as torch from '../../src/torch/index.js';
import * as nn from '../../src/torch/nn/index.js';
import * as optim from '../../src/torch/optim/index.js';
import { temporaryFolder, vqganConfig } from '../training/tiny.js';

/** A loop of a user's own over three layers' worth of nothing: up to `until`, or the end. */
async function loop(run: Run, until = Infinity): Promise<number[]> {
  const model = new nn.Linear(2, 2);
  const all = new optim.SGD(model.parameters(), { lr: 0.1, momentum: 0.9 });
  const state = () => ({ model: model.stateDict(), optimizers: { all }, data: run.step });
  const losses: number[] = [];
  await run.start(state());
  run.begin();
  while (!run.done && run.step < until) {
    torch.scope(() => {
      all.zeroGrad();
      const loss = model
        .forward(torch.randn([4, 2]))
        .square()
        .mean();
      loss.backward();
      all.step();
      run.tick();
      if (run.due('log')) losses.push(run.log({ losses: { loss }, learningRate: 0.1 }).losses['loss']!);
    });
    if (run.due('save')) await run.save(state());
  }
  run.close();
  return losses;
}

test.serial(
  'a loop of one’s own is logged, saved and resumed to the bit, optimizer and random numbers included',
  async (t) => {
    const folder = temporaryFolder(t);
    const config = vqganConfig({ steps: 6, saveEvery: 3 });
    torch.manualSeed(1);
    const whole = await Run.open(join(folder, 'whole'), 'vqgan', { new: config });
    t.is(whole.checkpoint, null);
    t.false(existsSync(whole.folder), 'opening writes nothing');
    const expected = await loop(whole);
    t.is(expected.length, 6);
    t.deepEqual(
      readMetrics(whole.folder).map(({ step }) => step),
      [1, 2, 3, 4, 5, 6],
    );

    torch.manualSeed(1);
    const half = await Run.open(join(folder, 'half'), 'vqgan', { new: config });
    const first = await loop(half, 4);
    const resumed = await Run.open(join(folder, 'half'), 'vqgan', { resume: undefined });
    t.is(resumed.checkpoint?.step, 3);
    t.is(resumed.checkpoint?.state['data'], 3);
    t.deepEqual([...first.slice(0, 3), ...(await loop(resumed))], expected);
  },
);

test.serial(
  'a run is locked between start and close, and one that could not start leaves no folder',
  async (t) => {
    const folder = join(temporaryFolder(t), 'run');
    const run = await Run.open(folder, 'vqgan', { new: vqganConfig() });
    const model = new nn.Linear(1, 1);
    const bad = new Map([['weight', torch.full([1], NaN)]]);
    const optimizers = { all: new optim.Adam(model.parameters()) };
    t.throws(() => run.done, { message: /not started/ });
    await t.throwsAsync(run.start({ model: bad, optimizers }), { instanceOf: NonFiniteError });
    const message = /is being trained by process/;
    await t.throwsAsync(Run.open(folder, 'vqgan', { resume: undefined }), { instanceOf: RunError, message });
    await run.abandon();
    t.false(existsSync(folder));
    t.notThrows(() => run.close());
  },
);
