/** Runs that choose their best checkpoints by a named metric, and that end when it no longer improves. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { bestCheckpoint, listCheckpoints, newestCheckpoint } from '../../src/runs/checkpoint.js';
import { resolveConfig } from '../../src/runs/config.js';
import type { TrainingEvent } from '../../src/runs/events.js';
import { openRun } from '../../src/runs/open.js';
import { sourceOf } from '../../src/cli/model-flags.js';
import { VqganTrainer } from '../../src/training/vqgan-trainer.js';
import { vqganTrainer, transformerTrainer, type Settings } from './engine-runs.js';
import { eventsOf, images, lossesOf, transformerConfig, vqganConfig } from './tiny.js';

const root = mkdtempSync(join(tmpdir(), 'tessera-best-'));
test.after.always(() => rmSync(root, { recursive: true, force: true }));

/** Saves at every step. Of so large a learning rate that the metrics go up and down. */
const training = { steps: 9, saveEvery: 1, learningRate: 1e-1, warmup: 0, schedule: 'constant' };
const place = (name: string) => join(root, name);
const notesOf = (events: readonly TrainingEvent[]) =>
  events.flatMap((event) => (event.type === 'note' ? [event.message] : []));
const resume = (name: string, changes: Settings = {}) =>
  VqganTrainer.resume(place(name), { images: images(), changes: { training: changes } });

/** Held-out values of a metric by step, of a run that keeps every checkpoint. */
let values: { step: number; ssim: number; psnr: number }[];
test.before(async () => {
  await eventsOf(await vqganTrainer(place('all'), { ...training, keep: 99 }));
  const checkpoints = listCheckpoints(place('all'));
  values = checkpoints.flatMap(({ step, path }) => {
    const { metrics } = JSON.parse(readFileSync(join(path, 'state.json'), 'utf8')) as {
      metrics: { ssim: number; psnr: number };
    };
    return step === 0 ? [] : [{ step, ...metrics }];
  });
});

for (const [best, keepBest] of [
  ['psnr', 1],
  ['ssim', 3],
] as const) {
  test.serial(`the newest checkpoint and the best ${keepBest} by ${best} are kept`, async (t) => {
    const name = `kept by ${best}`;
    await eventsOf(await vqganTrainer(place(name), { ...training, keep: 1, best, keepBest }));
    const order = values.toSorted((a, b) => b[best] - a[best]).map(({ step }) => step);
    const expected = [...new Set([...order.slice(0, keepBest), 9])].sort((a, b) => a - b);
    t.deepEqual(
      listCheckpoints(place(name)).map(({ step }) => step),
      expected,
    );
    t.true(expected.length > 1, 'the best is not the last');
    const opened = await openRun({ run: place(name), checkpoint: 'best' }, 'vqgan', 'cpu');
    t.is(opened.step, order[0]!);
    t.is(bestCheckpoint(place(name), { name: best, better: 'higher' })!.path, opened.checkpoint);
    t.is((await openRun(place(name), 'vqgan', 'cpu')).step, 9);
    // A second stage on the best one has its weights.
    const second = await transformerTrainer(place(`on ${best}`), place(name), { steps: 1, useBest: true });
    const key = 'decoder.conv_out.weight';
    t.true(second.net.stateDict().get(`first_stage_model.${key}`)!.equal(opened.model.stateDict().get(key)!));
    await second.close();
  });
}

test.serial('a checkpoint is named by its step, and one that is not there is refused', async (t) => {
  const run = place('all');
  t.is((await openRun({ run, checkpoint: 3 }, 'vqgan', 'cpu')).step, 3);
  await t.throwsAsync(openRun({ run, checkpoint: 77 }, 'vqgan', 'cpu'), {
    message: /no checkpoint of step 77; it has those of 0, 1, 2/,
  });
  t.deepEqual(sourceOf(run, { checkpoint: 'best' }), { run, ema: undefined, checkpoint: 'best' });
  t.throws(() => sourceOf('a.ckpt', { config: 'small', checkpoint: 'best' }), {
    message: /--checkpoint best is for runs/,
  });
});

/** The step at which a run by these values ends: `patience` evaluations after its best so far. */
function endOf(metric: 'psnr' | 'ssim', patience: number): { end: number; since: number } {
  let [most, since, waited] = [-Infinity, 0, 0];
  for (const { step, ...metrics } of values) {
    if (metrics[metric] > most) [most, since, waited] = [metrics[metric], step, 0];
    else if (++waited === patience) return { end: step, since };
  }
  throw new Error('the values of this test do not go down');
}

test.serial(
  'a run ends after the given number of evaluations without a better value, and says so',
  async (t) => {
    const patient = { ...training, keep: 99, best: 'ssim', patience: 2 };
    const { end, since } = endOf('ssim', 2);
    t.true(end < 9, `after step ${end}`);
    const whole = await eventsOf(await vqganTrainer(place('whole'), patient));
    const last = whole.at(-1)!;
    t.like(last, { type: 'end', step: end, interrupted: false });
    t.regex(
      notesOf(whole).join(),
      new RegExp(`stopped early: ssim has not improved in 2 evaluations since step ${since} `),
    );
    t.truthy(last.type === 'end' && last.metrics, 'it is measured as at the end of any run');

    // Interrupted in between, which saves and measures once more, it ends at the same step, with the same losses.
    const first = await eventsOf(await vqganTrainer(place('parts'), { ...patient, saveEvery: 1 }), end - 1);
    const second = await eventsOf(await resume('parts'));
    t.is(second.at(-1)!.step, end);
    t.deepEqual(new Map([...lossesOf(first), ...lossesOf(second)]), lossesOf(whole));
    const files = async (name: string) => {
      const { files: hashes, patience } = (await newestCheckpoint(place(name))).state;
      return { hashes, patience };
    };
    t.deepEqual(await files('parts'), await files('whole'));
    t.like((await files('whole')).patience, { metric: 'ssim', step: since, waited: 2 });

    // Ended, it has nothing to do; with more patience it goes on where it was.
    const again = await eventsOf(await resume('whole'));
    t.deepEqual(lossesOf(again), new Map());
    t.like(again.at(-1), { step: end });
    const on = await eventsOf(await resume('whole', { patience: 99 }));
    t.is(on.at(-1)!.step, 9);
    t.is((await newestCheckpoint(place('all'))).state.metrics['ssim'], values.at(-1)!.ssim);
    t.is((await newestCheckpoint(place('whole'))).state.metrics['ssim'], values.at(-1)!.ssim);
  },
);

test.serial('checkpoints in between do not count for patience', async (t) => {
  // Evaluations at steps 3, 6 and 9 only; one that is asked for at each of the other steps.
  const trainer = await vqganTrainer(place('asked'), {
    ...training,
    saveEvery: 3,
    best: 'psnr',
    patience: 2,
    keep: 99,
  });
  const saved: number[] = [];
  for await (const event of trainer.run()) {
    if (event.type === 'step') trainer.saveSoon();
    if (event.type === 'checkpoint') saved.push(event.step);
  }
  t.deepEqual(saved, [2, 3, 5, 6, 8, 9]);
  const [three, six, nine] = [3, 6, 9].map((step) => values.find((row) => row.step === step)!.psnr);
  const { patience } = (await newestCheckpoint(place('asked'))).state as unknown as Record<
    'patience',
    { step: number; waited: number }
  >;
  const best = Math.max(three!, six!, nine!);
  const at = [three, six, nine].indexOf(best);
  t.like(patience, { step: 3 * (at + 1), waited: 2 - at });
});

test('a metric that the stage does not have, or the run does not measure, is refused', async (t) => {
  const of = (best: string) => resolveConfig('vqgan', vqganConfig({ best })).training.best;
  t.is(of('ssim'), 'ssim');
  t.throws(() => of('pnsr'), { message: /training\.best must be .*psnr.*did you mean "psnr"/ });
  t.throws(() => of('changedCodes'), { message: /training\.best must be/ });
  t.is(resolveConfig('transformer', transformerConfig('x', { best: 'loss' })).training.best, 'loss');
  await t.throwsAsync(
    vqganTrainer(place('labels'), { best: 'meanIou' }).then((trainer) => eventsOf(trainer)),
    { message: /training\.best=meanIou needs meanIou.*this run measures psnr, ssim/ },
  );
});

test.serial('a second stage ends by its held-out loss', async (t) => {
  const trainer = await transformerTrainer(place('second'), place('all'), {
    ...training,
    learningRate: 1,
    best: 'loss',
    patience: 1,
  });
  const events = await eventsOf(trainer);
  t.true(events.at(-1)!.step < 9);
  t.regex(
    notesOf(events).join(),
    /stopped early: heldOutLoss has not improved in 1 evaluation since step \d \(.* nats\)/,
  );
});
