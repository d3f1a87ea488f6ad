/** Runs of both stages with accumulation, and the other settings of the training engine. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { listCheckpoints, newestCheckpoint } from '../../src/runs/checkpoint.js';
import { resolveConfig } from '../../src/runs/config.js';
import type { TrainingEvent } from '../../src/runs/events.js';
import { reconstruct } from '../../src/cli/commands/reconstruct/run.js';
import { plain as oneColour } from '../data/pictures.js';
import { sourceOf } from '../../src/cli/model-flags.js';
import { FirstStage } from '../../src/models/autoencoder/vqgan.js';
import { openRun } from '../../src/runs/open.js';
import { loadCheckpoint } from '../../src/torch/io/index.js';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import { measureImages, validationImages } from '../../src/training/stages/vqgan/held-out.js';
import { learningRateAt } from '../../src/training/engine/schedule.js';
import { TransformerTrainer } from '../../src/training/transformer-trainer.js';
import { VqganTrainer } from '../../src/training/vqgan-trainer.js';
import { eventsOf, images, lossesOf, SIZE, temporaryFolder, transformerConfig, vqganConfig } from './tiny.js';

const root = mkdtempSync(join(tmpdir(), 'tessera-engine-'));
const vqgan = join(root, 'vqgan');

test.before(async () => {
  await eventsOf(await VqganTrainer.create(vqganConfig({ steps: 1 }), { run: vqgan, images: images() }));
});
test.after.always(() => rmSync(root, { recursive: true, force: true }));

type Settings = Record<string, unknown>;

const vqganTrainer = (run: string, training: Settings, loss: Settings = {}) => {
  const config = structuredClone(vqganConfig({ steps: 3, restartCodes: false, ...training }));
  Object.assign(config.model.params.lossconfig.params, loss);
  return VqganTrainer.create(config, { run, images: images() });
};

/** A second stage whose steps draw no random numbers. */
const transformerTrainer = (run: string, training: Settings) => {
  const config = structuredClone(transformerConfig(vqgan, { steps: 3, ...training }));
  const { params } = config.model;
  params.pkeep = 1;
  Object.assign(params.transformer_config.params, { embd_pdrop: 0, resid_pdrop: 0, attn_pdrop: 0 });
  return TransformerTrainer.create(config, { run, images: images() });
};

/** Logged losses of these names, in order. */
const numbersOf = (events: readonly TrainingEvent[], ...names: string[]) =>
  [...lossesOf(events).values()].flatMap((losses) => names.map((name) => losses[name]!));

const inTwo = { batchSize: 2, accumulate: 2 };

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

test.serial('accumulated batches of a transformer are one larger batch', async (t) => {
  const folder = temporaryFolder(t);
  const joint = await transformerTrainer(join(folder, 'whole'), { batchSize: 4 });
  const whole = numbersOf(await eventsOf(joint), 'loss');
  const trainer = await transformerTrainer(join(folder, 'parts'), inTwo);
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
  // Adam's steps do not depend on the size of all gradients, but on that of each beside those before.
  const low = await logOf('low', { clipNorm: 1e-9 });
  t.deepEqual([low[0]!['norm'], low[0]!['discNorm']], [high[0]!['norm'], high[0]!['discNorm']]);
  const { norm: _, discNorm: __, ...rest } = high[1]!;
  t.deepEqual(rest, plain[1]);
  t.notDeepEqual(low[1]!['rec'], plain[1]!['rec']);

  const trainer = await transformerTrainer(join(folder, 'transformer'), { clipNorm: 1e6, steps: 2 });
  const [first, second] = [...lossesOf(await eventsOf(trainer)).values()];
  const same = await transformerTrainer(join(folder, 'clipped'), { clipNorm: 1e-9, steps: 2 });
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

/** Tensors of a file of a checkpoint, by key. */
async function tensorsOf(checkpoint: string, name: string): Promise<Map<string, Tensor>> {
  using file = await loadCheckpoint(join(checkpoint, `${name}.safetensors`));
  return new Map([...file.tensors.keys()].map((key) => [key, torch.keep(file.tensors.get(key)!)]));
}

test.serial('the weights of either stage are averaged, measured and opened', async (t) => {
  const folder = temporaryFolder(t);
  const every = { ema: 0.5, steps: 3, saveEvery: 1, keep: 9 };
  const runs = {
    vqgan: await vqganTrainer(join(folder, 'vqgan'), { ...every, learningRate: 1e-2 }),
    transformer: await transformerTrainer(join(folder, 'transformer'), { ...every, learningRate: 1e-2 }),
  };
  for (const [stage, trainer] of Object.entries(runs)) {
    await eventsOf(trainer);
    const run = join(folder, stage);
    const [first, ...later] = listCheckpoints(run);
    const expected = await tensorsOf(first!.path, 'model');
    const keys = [...(await tensorsOf(first!.path, 'ema')).keys()];
    t.true(
      keys.length > 5 && keys.every((key) => /^(encoder|decoder|.*quant|transformer)/.test(key)),
      keys[0],
    );
    for (const { step, path } of later) {
      const [weights, averages] = [await tensorsOf(path, 'model'), await tensorsOf(path, 'ema')];
      for (const key of keys) {
        const average = expected
          .get(key)!
          .lerp(weights.get(key)!, 1 - Math.min(0.5, (1 + step) / (10 + step)));
        t.true(average.sub(averages.get(key)!).abs().max().item() < 1e-6, `${key} at ${step}`);
        expected.set(key, average);
      }
    }
    const { state } = await newestCheckpoint(run);
    const of = async (ema: boolean) => {
      const { model } = await openRun({ run, ema }, stage as keyof typeof runs, 'cpu');
      return model;
    };
    const [trained, averaged] = [await of(false), await of(true)];
    const key = keys.find((name) => name.endsWith('weight'))!;
    t.true(averaged.stateDict().get(key)!.sub(expected.get(key)!).abs().max().item() < 1e-6);
    t.false(trained.stateDict().get(key)!.equal(averaged.stateDict().get(key)!));
    if (trained instanceof FirstStage && averaged instanceof FirstStage) {
      const pictures = (await validationImages(images().heldOut, 'cpu'))!;
      t.is(measureImages(averaged, pictures)['psnr'], state.metrics['psnr']);
      t.not(measureImages(trained, pictures)['psnr'], state.metrics['psnr']);
    }
  }
  const plain = await transformerTrainer(join(folder, 'plain'), { steps: 3, learningRate: 1e-2 });
  const { metrics } = (await eventsOf(plain)).findLast((event) => event.type === 'end')!;
  const { state } = await newestCheckpoint(join(folder, 'transformer'));
  t.not(metrics!['heldOutLoss'], state.metrics['heldOutLoss'], 'trained alike, but not averaged');

  const none = { run: join(folder, 'plain'), ema: true };
  await t.throwsAsync(openRun(none, 'transformer', 'cpu'), {
    message: /has no moving average.*leave out --ema/,
  });
  const inner = { run: join(folder, 'transformer'), ema: true };
  await t.throwsAsync(openRun(inner, 'vqgan', 'cpu'), { message: /has no moving average of these weights/ });
  const picture = join(folder, 'picture.png');
  await oneColour(SIZE, SIZE, '#336699').png().toFile(picture);
  const psnrOf = async (ema: boolean) => {
    const out = join(folder, `reconstructed ${ema}`);
    await reconstruct(join(folder, 'vqgan'), [picture], { device: 'cpu', quiet: true, ema, out });
    const { ema: recorded = false, pictures: results } = JSON.parse(
      readFileSync(join(out, 'reconstructions.json'), 'utf8'),
    ) as { ema?: boolean; pictures: { psnr: number }[] };
    t.is(recorded, ema);
    return results[0]!.psnr;
  };
  t.not(await psnrOf(true), await psnrOf(false));
  t.deepEqual(sourceOf('run', { ema: true }), { run: 'run', ema: true });
  t.regex(readFileSync(join(folder, 'vqgan', 'README.md'), 'utf8'), /moving average .*--ema/);
});

test.serial('a run goes on with an average from where it is, and without one', async (t) => {
  const run = join(temporaryFolder(t), 'run');
  await eventsOf(await vqganTrainer(run, { steps: 2 }), 1);
  const resume = (training: Settings) =>
    VqganTrainer.resume(run, { images: images(), changes: { training } });
  const before = await tensorsOf((await newestCheckpoint(run)).path, 'model');
  await eventsOf(await resume({ ema: 0.5 }));
  const { path } = await newestCheckpoint(run);
  const [after, average] = [await tensorsOf(path, 'model'), await tensorsOf(path, 'ema')];
  for (const [key, tensor] of average) {
    const expected = before.get(key)!.lerp(after.get(key)!, 1 - 3 / 12);
    t.true(tensor.sub(expected).abs().max().item() < 1e-6, key);
  }
  await eventsOf(await resume({ ema: 0, steps: 3 }));
  t.false(existsSync(join((await newestCheckpoint(run)).path, 'ema.safetensors')));
});

const everything = {
  ...inTwo,
  steps: 6,
  clipNorm: 0.5,
  ema: 0.9,
  schedule: 'cosine',
  warmup: 2,
  logEvery: 1,
};

for (const [stage, training] of [
  ['vqgan', { ...everything, discriminatorLearningRate: 2e-3 }],
  ['vqgan', { ...everything, step: 'reference', precision: 'bfloat16' }],
  ['transformer', { ...everything, precision: 'bfloat16' }],
] as const) {
  test.serial(
    `a resumed run equals an uninterrupted one: ${stage}, ${JSON.stringify(training)}`,
    async (t) => {
      const folder = temporaryFolder(t);
      const config = stage === 'vqgan' ? vqganConfig(training) : transformerConfig(vqgan, training);
      const Trainer = stage === 'vqgan' ? VqganTrainer : TransformerTrainer;
      const create = (name: string) => Trainer.create(config, { run: join(folder, name), images: images() });
      const whole = lossesOf(await eventsOf(await create('whole')));
      const first = lossesOf(await eventsOf(await create('parts'), 3));
      t.deepEqual([...first.keys()], [1, 2, 3]);
      torch.manualSeed(99); // Whatever happened to this process's generators in between.
      const second = lossesOf(
        await eventsOf(await Trainer.resume(join(folder, 'parts'), { images: images() })),
      );
      t.deepEqual(new Map([...first, ...second]), whole);
      const files = async (name: string) => (await newestCheckpoint(join(folder, name))).state['files'];
      t.deepEqual(await files('parts'), await files('whole'));
      t.deepEqual(Object.keys((await files('whole')) as object).sort(), [
        'ema.safetensors',
        'model.safetensors',
        'optimizer.safetensors',
      ]);
    },
  );
}

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
  t.is(await ended(transformerTrainer(join(folder, 'codes'), { ...length, epochs: 1 })), 5);
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
