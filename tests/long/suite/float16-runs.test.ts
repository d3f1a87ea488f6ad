/** Runs in float16: overflows, scale, checkpoints. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { newestCheckpoint } from '../../../src/runs/checkpoint.js';
import { NonFiniteError } from '../../../src/runs/error.js';
import type { TrainingEvent } from '../../../src/runs/events.js';
import * as torch from '../../../src/torch/index.js';
import type { Tensor } from '../../../src/torch/index.js';
import { TransformerTrainer } from '../../../src/training/transformer-trainer.js';
import { VqganTrainer } from '../../../src/training/vqgan-trainer.js';
import {
  inTwo,
  trainFirstStage,
  transformerTrainer,
  vqganTrainer,
  type Settings,
} from '../../training/engine-runs.js';
import { eventsOf, images, lossesOf, temporaryFolder } from '../../training/tiny.js';

const root = mkdtempSync(join(tmpdir(), 'tessera-float16-'));
const vqgan = join(root, 'vqgan');

test.before(() => trainFirstStage(vqgan));
test.after.always(() => rmSync(root, { recursive: true, force: true }));

const float16 = { precision: 'float16', steps: 4, saveEvery: 100, clipNorm: 1 };

const starts = {
  vqgan: (run: string, training: Settings) => vqganTrainer(run, { ...float16, ...training }),
  transformer: (run: string, training: Settings) =>
    transformerTrainer(run, vqgan, { ...float16, ...training }),
};

const parameterOf = (trainer: VqganTrainer | TransformerTrainer): Tensor =>
  trainer instanceof VqganTrainer ? trainer.model.decoder.convOut.bias! : trainer.net.transformer.lnF.bias!;

/** Lets the gradient of a parameter overflow at some steps, counted from 1. */
function overflow<T extends VqganTrainer | TransformerTrainer>(trainer: T, at: (step: number) => boolean): T {
  parameterOf(trainer).registerHook((gradient) =>
    at(trainer.step + 1) ? gradient.mul(Infinity) : undefined,
  );
  return trainer;
}

const notesOf = (events: readonly TrainingEvent[]) =>
  events.flatMap((event) => (event.type === 'note' ? [event.message] : []));

for (const [stage, nonFinite] of [
  ['vqgan', null],
  ['vqgan', 'stop'],
  ['transformer', 'skip'],
  ['transformer', 'rollback'],
] as const) {
  test.serial(
    `a step that overflows is left out without an alarm: ${stage}, nonFinite ${nonFinite}`,
    async (t) => {
      const run = join(temporaryFolder(t), 'run');
      const trainer = overflow(await starts[stage](run, { nonFinite }), (step) => step === 2);
      const before: unknown[] = [];
      parameterOf(trainer).registerHook(() => void before.push(parameterOf(trainer).tolist()));
      const events = await eventsOf(trainer);
      t.deepEqual(notesOf(events), []);
      const losses = [...lossesOf(events).values()];
      t.deepEqual(
        losses.map(({ scale }) => scale),
        [65536, 32768, 32768, 32768],
      );
      t.deepEqual(
        losses.map(({ norm }) => norm! > 0),
        [true, false, true, true],
      );
      if (nonFinite === 'skip') t.true(losses.every(({ skipped }) => skipped === 0));
      const moved = before.map((value, i) => i > 0 && String(value) !== String(before[i - 1]));
      t.deepEqual(moved, [false, true, false, true], 'the weight before each step');
    },
  );
}

for (const [nonFinite, expected] of [
  [null, /^step 30: gradients overflow float16 although losses are scaled by only 0\.00006/],
  ['stop', /^step 31: the gradient of transformer\.ln_f\.bias is NaN or infinite at step 31/],
] as const) {
  test.serial(`a run whose gradients overflow at every scale ends: nonFinite ${nonFinite}`, async (t) => {
    const run = join(temporaryFolder(t), 'run');
    const trainer = overflow(await starts.transformer(run, { nonFinite, steps: 40 }), () => true);
    const { message } = await t.throwsAsync(eventsOf(trainer), { instanceOf: NonFiniteError });
    t.regex(message, expected);
  });
}

for (const [stage, training] of [
  ['vqgan', { ...inTwo, batchSize: 1, ema: 0.9 }],
  ['transformer', { precision: 'autocast-float16', ema: 0.9, optimizer: 'NAdam' }],
] as const) {
  test.serial(`a resumed run has the scale and the steps of an uninterrupted one: ${stage}`, async (t) => {
    const folder = temporaryFolder(t);
    const create = async (name: string) =>
      overflow(await starts[stage](join(folder, name), { ...training, steps: 3 }), (step) => step === 1);
    const whole = lossesOf(await eventsOf(await create('whole')));
    const first = lossesOf(await eventsOf(await create('parts'), 2));
    torch.manualSeed(99);
    const Trainer = stage === 'vqgan' ? VqganTrainer : TransformerTrainer;
    const resumed = await Trainer.resume(join(folder, 'parts'), { images: images() });
    const second = lossesOf(await eventsOf(resumed));
    t.deepEqual([...second.keys()], [3]);
    t.deepEqual(new Map([...first, ...second]), whole);
    const saved = async (name: string) => {
      const { files, scaler } = (await newestCheckpoint(join(folder, name))).state;
      return { files, scaler };
    };
    t.deepEqual(await saved('parts'), await saved('whole'));
    t.like((await saved('parts')).scaler, { scale: 32768, _growth_tracker: 2 });
  });
}

test.serial('only a run in float16 saves a scaler', async (t) => {
  const run = join(temporaryFolder(t), 'run');
  await eventsOf(await starts.transformer(run, { precision: 'autocast-bfloat16', steps: 1 }));
  t.false('scaler' in (await newestCheckpoint(run)).state);
});

test.serial(
  'under autocast a transformer learns in 16 bits, and measures and draws in float32',
  async (t) => {
    const run = join(temporaryFolder(t), 'run');
    const trainer = await starts.transformer(run, { precision: 'autocast-bfloat16', steps: 1, samples: 1 });
    const { transformer } = trainer.net;
    const seen = new Set<string>();
    transformer.head.registerForwardHook((_, __, logits) => {
      seen.add(`${transformer.training ? 'training' : 'evaluation'}: ${(logits as Tensor).dtype}`);
    });
    t.like((await eventsOf(trainer)).at(-1), { type: 'end', step: 1 });
    t.deepEqual(seen, new Set(['training: bfloat16', 'evaluation: float32']));
  },
);
