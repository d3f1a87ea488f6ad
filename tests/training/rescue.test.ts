/** Checkpoints of runs that an error ends, and on request. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { listCheckpoints, newestCheckpoint, weightsOf } from '../../src/runs/checkpoint.js';
import type { TrainingEvent } from '../../src/runs/events.js';
import { VqganTrainer } from '../../src/training/vqgan-trainer.js';
import { trained } from '../cli/trained.js';
import { eventsOf, images, lossesOf, vqganConfig } from './tiny.js';

const root = mkdtempSync(join(tmpdir(), 'tessera-rescue-'));
test.after.always(() => rmSync(root, { recursive: true, force: true }));

const config = vqganConfig({ steps: 5, saveEvery: 2, keep: 1, restartCodes: true });
const failure = new Error('the disk is gone');

/** The events of a run until its error, and the error. */
async function untilError(trainer: VqganTrainer) {
  const events: TrainingEvent[] = [];
  try {
    for await (const event of trainer.run()) events.push(event);
  } catch (error) {
    return { events, error };
  }
  return { events, error: null };
}

/** Images of which a batch cannot be read: the first 16 are for the restart of codes before the first step. */
function unreadable(batch: number) {
  const given = images();
  const withChannels = given.train.withChannels.bind(given.train);
  given.train.withChannels = (...wanted) => {
    const source = withChannels(...wanted);
    const read = source.readSquares.bind(source);
    let reads = 0;
    source.readSquares = (...args) => (++reads === 16 + batch ? Promise.reject(failure) : read(...args));
    return source;
  };
  return given;
}

const create = (name: string, given = images()) =>
  VqganTrainer.create(config, { run: join(root, name), images: given });

/** Runs with something that fails in the model. */
async function failing(name: string, breakIt: (trainer: VqganTrainer) => void) {
  const trainer = await create(name);
  breakIt(trainer);
  return untilError(trainer);
}

const stepsOf = (name: string) => listCheckpoints(join(root, name)).map(({ step }) => step);
let whole: Map<number, Record<string, number>>;
test.before(async () => {
  whole = lossesOf(await eventsOf(await create('whole')));
});

test.serial('images that cannot be read end a run after its last step was saved', async (t) => {
  const { events, error } = await untilError(await create('reading', unreadable(4)));
  t.is(error, failure);
  t.like(events.at(-1), { type: 'note', step: 3 });
  t.regex(JSON.stringify(events.at(-1)), /after step 3, which is saved in .*step-0000003: resume the run/);
  t.true(stepsOf('reading').includes(2) && stepsOf('reading').includes(3), 'none is removed for it');
  const resumed = await VqganTrainer.resume(join(root, 'reading'), { images: images() });
  const rest = lossesOf(await eventsOf(resumed));
  t.deepEqual([...rest.keys()], [4, 5]);
  t.deepEqual(new Map([...lossesOf(events), ...rest]), whole);
  const files = async (name: string) => (await newestCheckpoint(join(root, name))).state['files'];
  t.deepEqual(await files('reading'), await files('whole'));
});

test.serial('so does an error while held-out images are measured', async (t) => {
  const { error } = await failing('measuring', (trainer) => {
    trainer.model.registerForwardPreHook((self) => {
      if (!self.training && trainer.step === 4) throw failure;
    });
  });
  t.is(error, failure);
  t.is(stepsOf('measuring').at(-1), 4);
  t.deepEqual((await newestCheckpoint(join(root, 'measuring'))).state.metrics, {});
});

test.serial('an error in the middle of a step saves nothing, nor does one after a checkpoint', async (t) => {
  const inStep = await failing('stepping', (trainer) => {
    trainer.model.decoder.registerForwardPreHook((self) => {
      if (self.training && trainer.step === 3) throw failure;
    });
  });
  t.is(inStep.error, failure);
  t.is(stepsOf('stepping').at(-1), 2);
  t.deepEqual(
    inStep.events.filter(({ type }) => type === 'checkpoint').map(({ step }) => step),
    [2],
  );
  let written = 0;
  const trainer = await create('saved', unreadable(3));
  await t.throwsAsync(
    async () => {
      for await (const event of trainer.run()) {
        if (event.type === 'checkpoint') written = statSync(weightsOf(event)).mtimeMs;
      }
    },
    { is: failure },
  );
  const last = listCheckpoints(trainer.folder).at(-1)!;
  t.is(last.step, 2);
  t.is(statSync(weightsOf(last)).mtimeMs, written, 'it is not written again');
});

test.serial('NaN saves nothing', async (t) => {
  const { error } = await failing('nan', (trainer) => {
    trainer.model.registerForwardPreHook((self) => {
      if (self.training && trainer.step === 2) trainer.model.quantConv.bias!.data.fill_(NaN);
    });
  });
  t.is((error as Error).name, 'NonFiniteError');
  t.is(stepsOf('nan').at(-1), 2);
});

if (process.platform !== 'win32') {
  test.serial('SIGUSR1 saves a checkpoint, and the run goes on', async (t) => {
    const send = (name: string | symbol) => {
      if (name === 'SIGUSR1') setImmediate(() => process.kill(process.pid, 'SIGUSR1'));
    };
    process.on('newListener', send);
    t.teardown(() => process.off('newListener', send));
    const settings = ['training.lpips=off', 'training.saveEvery=100', 'training.keep=9', 'data.size=16'];
    const small = ['model.params.ddconfig.ch=32', 'model.params.ddconfig.resolution=16'];
    const { run } = await trained(t, 'vqgan', '--steps', '6', ...settings, ...small);
    const steps = listCheckpoints(run).map(({ step }) => step);
    t.is(steps.length, 3, steps.join());
    t.true(steps[1]! > 0 && steps[1]! < 6 && steps[2] === 6, steps.join());
    t.is(process.listenerCount('SIGUSR1'), 0);
  });
}
