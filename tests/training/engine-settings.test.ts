/** Runs of both stages with accumulation, clipping, schedules and epochs. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { newestCheckpoint } from '../../src/runs/checkpoint.js';
import { resolveConfig } from '../../src/runs/config.js';
import type { TrainingEvent } from '../../src/runs/events.js';
import type { Tensor } from '../../src/torch/index.js';
import { learningRateAt } from '../../src/training/engine/schedule.js';
import { transformer as secondStage } from '../../src/training/stages/transformer/stage.js';
import { vqgan as firstStage } from '../../src/training/stages/vqgan/stage.js';
import type { TransformerTrainer } from '../../src/training/transformer-trainer.js';
import { VqganTrainer } from '../../src/training/vqgan-trainer.js';
import { inTwo, trainFirstStage, transformerTrainer, vqganTrainer, type Settings } from './engine-runs.js';
import { segmentation } from './map-configs.js';
import { eventsOf, images, lossesOf, temporaryFolder, vqganConfig } from './tiny.js';

const root = mkdtempSync(join(tmpdir(), 'tessera-engine-'));
const vqgan = join(root, 'vqgan');

test.before(() => trainFirstStage(vqgan));
test.after.always(() => rmSync(root, { recursive: true, force: true }));

/** Logged losses of these names, in order. */
const numbersOf = (events: readonly TrainingEvent[], ...names: string[]) =>
  [...lossesOf(events).values()].flatMap((losses) => names.map((name) => losses[name]!));

test.serial('accumulated batches of a first stage are one larger batch', async (t) => {
  const folder = temporaryFolder(t);
  const loss = { disc_start: 99 }; // While the discriminator is off, its batch statistics have no effect.
  const joint = await vqganTrainer(join(folder, 'whole'), { batchSize: 4 }, loss);
  const whole = numbersOf(await eventsOf(joint), 'rec', 'vq');
  const trainer = await vqganTrainer(join(folder, 'parts'), inTwo, loss);
  const forwards = new Set<number>();
  trainer.model.registerForwardPreHook((self, [batch]) => {
    if (self.training) forwards.add((batch as Tensor).shape[0]!);
  });
  const events = await eventsOf(trainer);
  t.deepEqual([...forwards], [2]);
  const parts = numbersOf(events, 'rec', 'vq');
  t.is(parts.length, 6);
  parts.forEach((value, i) => t.true(Math.abs(value - whole[i]!) < 1e-4, `${value} for ${whole[i]}`));
  const log = events.findLast((event) => event.type === 'log')!;
  t.true(Math.abs(log.imagesPerSecond - 4 * log.stepsPerSecond) < 1e-9);
});

test.serial('a first stage of label maps computes accumulated batches one after the other', async (t) => {
  const config = segmentation({ ...inTwo, steps: 1, restartCodes: false });
  const trainer = await VqganTrainer.create(config, { run: join(temporaryFolder(t), 'run') });
  const forwards: number[] = [];
  trainer.model.registerForwardPreHook((self, [batch]) => {
    if (self.training) forwards.push((batch as Tensor).shape[0]!);
  });
  await eventsOf(trainer);
  t.deepEqual(forwards, [2, 2]);
});

test.serial('accumulated batches of a transformer are one larger batch', async (t) => {
  const folder = temporaryFolder(t);
  const joint = await transformerTrainer(join(folder, 'whole'), vqgan, { batchSize: 4 });
  const whole = numbersOf(await eventsOf(joint), 'loss');
  const trainer = await transformerTrainer(join(folder, 'parts'), vqgan, inTwo);
  const forwards = new Set<number>();
  trainer.net.transformer.registerForwardPreHook((self, [tokens]) => {
    if (self.training) forwards.add((tokens as Tensor).shape[0]!);
  });
  const parts = numbersOf(await eventsOf(trainer), 'loss');
  t.deepEqual([...forwards], [2]);
  t.is(parts.length, 3);
  parts.forEach((value, i) => t.true(Math.abs(value - whole[i]!) < 1e-5, `${value} for ${whole[i]}`));
});

test.serial('gradients of either optimizer are clipped, and their norms logged', async (t) => {
  const folder = temporaryFolder(t);
  const logOf = async (run: string, training: Settings) => {
    const trainer = await vqganTrainer(join(folder, run), { steps: 2, ...training });
    return [...lossesOf(await eventsOf(trainer)).values()];
  };
  const plain = await logOf('plain', {});
  t.is(plain[0]!['norm'], undefined);
  const high = await logOf('high', { clipNorm: 1e6 });
  t.true(high[0]!['norm']! > 0.01 && high[0]!['discNorm']! > 0.01);
  // Adam's steps do not depend on the size of all gradients, but on that of each compared with the earlier ones.
  const low = await logOf('low', { clipNorm: 1e-9 });
  t.deepEqual([low[0]!['norm'], low[0]!['discNorm']], [high[0]!['norm'], high[0]!['discNorm']]);
  const { norm: _, discNorm: __, ...rest } = high[1]!;
  t.deepEqual(rest, plain[1]);
  t.notDeepEqual(low[1]!['rec'], plain[1]!['rec']);

  const trainer = await transformerTrainer(join(folder, 'transformer'), vqgan, { clipNorm: 1e6, steps: 2 });
  const [first, second] = [...lossesOf(await eventsOf(trainer)).values()];
  const same = await transformerTrainer(join(folder, 'clipped'), vqgan, { clipNorm: 1e-9, steps: 2 });
  const [clipped, after] = [...lossesOf(await eventsOf(same)).values()];
  t.true(first!['norm']! > 0.01);
  t.deepEqual(clipped, first);
  t.not(after!['loss'], second!['loss']);
});

test.serial('the learning rate follows the schedule, and the discriminator has its own', async (t) => {
  const run = join(temporaryFolder(t), 'run');
  const schedule = { schedule: 'cosine', warmup: 2, finalLearningRate: 0, learningRate: 1e-3, steps: 6 };
  const trainer = await vqganTrainer(run, { ...schedule, discriminatorLearningRate: 4e-3 });
  const rates = (await eventsOf(trainer)).flatMap((event) =>
    event.type === 'log' ? [event.learningRate] : [],
  );
  const expected = [0, 0.5, 1, 0.5 + Math.SQRT1_2 / 2, 0.5, 0.5 - Math.SQRT1_2 / 2];
  rates.forEach((rate, i) => t.true(Math.abs(rate - expected[i]! * 1e-3) < 1e-12, `${rate} at ${i}`));
  const { optimizers } = (await newestCheckpoint(run)).state as unknown as Record<
    'optimizers',
    Record<'generator' | 'discriminator', { lr: number }[]>
  >;
  t.is(optimizers.generator[0]!.lr, rates.at(-1)!);
  t.is(
    optimizers.discriminator[0]!.lr,
    learningRateAt(5 / 6, 4e-3, { schedule: 'cosine', warmup: 2, final: 0 }, { step: 5, steps: 6 }),
  );
});

test('a schedule in steps needs a run in steps', (t) => {
  const training = (more: Settings) => resolveConfig('vqgan', vqganConfig(more)).training;
  t.is(training({ schedule: 'cosine' }).decayFrom, 0);
  t.is(training({ schedule: 'cosine', decayFrom: 0.3 }).decayFrom, 0.3);
  t.is(training({ decayFrom: 5 }).decayFrom, 5);
  for (const [more, message] of [
    [
      { decayFrom: 5, steps: undefined, minutes: 1 },
      /decayFrom is 5 steps, but the run has no length in steps/,
    ],
    [{ decayFrom: 6 }, /decayFrom is 6 steps, but the run ends after 6/],
    [{ warmup: 1.5 }, /warmup must be a share of the run from 0 to 1, or a number of steps/],
  ] as const)
    t.throws(() => training(more), { message });
});

test.serial('epochs end a run after as many passes over images, or over codes', async (t) => {
  const folder = temporaryFolder(t);
  const ended = async (trainer: Promise<VqganTrainer | TransformerTrainer>) =>
    (await eventsOf(await trainer)).at(-1)!.step;
  const run = join(folder, 'vqgan');
  const length = { ...inTwo, steps: undefined }; // of ten images, or twenty rows of codes
  t.is(await ended(vqganTrainer(run, { ...length, epochs: 0.7 })), 2);
  const resume = (training: Settings) =>
    VqganTrainer.resume(run, { images: images(), changes: { training } });
  t.is(await ended(resume({})), 2);
  const longer = await resume({ epochs: 2 });
  t.like(longer.config.training, { epochs: 2, steps: 5 });
  t.is(await ended(Promise.resolve(longer)), 5);
  t.is(await ended(resume({ steps: 6 })), 6);
  t.is(await ended(vqganTrainer(join(folder, 'steps'), { ...length, epochs: 2, steps: 1 })), 1);
  t.is(await ended(transformerTrainer(join(folder, 'codes'), vqgan, { ...length, epochs: 1 })), 5);
  await t.throwsAsync(vqganTrainer(join(folder, 'late'), { ...length, epochs: 1, decayFrom: 3 }), {
    message: /decayFrom is 3 steps, but the run ends after 3/,
  });
  await t.throwsAsync(vqganTrainer(join(folder, 'none'), { steps: undefined }), {
    message: /training\.epochs/,
  });
});

test('the reference’s base learning rate counts all images of a step', (t) => {
  const { model, ...rest } = vqganConfig(inTwo);
  const config = resolveConfig('vqgan', { ...rest, model: { ...model, base_learning_rate: 1e-5 } });
  t.is(config.training.learningRate, 4e-5);
});

test('an accumulated step cannot be recorded as a CUDA graph', async (t) => {
  await t.throwsAsync(vqganTrainer(join(root, 'graph'), { ...inTwo, graph: true }), {
    message: /training\.graph cannot record a step with training\.accumulate=2/,
  });
});

test.serial(
  'with precision auto a run of either stage is one in the precision that was faster',
  async (t) => {
    const folder = temporaryFolder(t);
    const kinds = [firstStage, secondStage];
    const measures = kinds.map(({ measure }) => measure);
    t.teardown(() => kinds.forEach((kind, i) => (kind.measure = measures[i]!)));
    for (const kind of kinds) kind.measure = (_, precision) => (precision === 'float32' ? 20 : 7);
    for (const [stage, start] of [
      ['first', (run: string, precision: string) => vqganTrainer(run, { steps: 1, precision })],
      ['second', (run: string, precision: string) => transformerTrainer(run, vqgan, { steps: 1, precision })],
    ] as const) {
      const lossOf = async (precision: string) => {
        const events = await eventsOf(await start(join(folder, `${stage} ${precision}`), precision));
        return { events, losses: [...lossesOf(events).values()] };
      };
      const [auto, lower, single] = [await lossOf('auto'), await lossOf('bfloat16'), await lossOf('float32')];
      t.regex(JSON.stringify(auto.events[0]), /precision: bfloat16 \(a step takes 20 ms in float32, 7\.0 ms/);
      t.deepEqual(auto.losses, lower.losses);
      t.notDeepEqual(auto.losses, single.losses);
    }
  },
);
