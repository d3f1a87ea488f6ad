/** Runs that average their weights, and runs with everything of the training engine on. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import { reconstruct } from '../../../src/cli/commands/reconstruct/run.js';
import { sourceOf } from '../../../src/cli/model-flags.js';
import { FirstStage } from '../../../src/models/autoencoder/vqgan.js';
import { listCheckpoints, newestCheckpoint } from '../../../src/runs/checkpoint.js';
import { openRun } from '../../../src/runs/open.js';
import { loadCheckpoint } from '../../../src/torch/io/index.js';
import * as torch from '../../../src/torch/index.js';
import type { Tensor } from '../../../src/torch/index.js';
import {
  measureImages,
  saveReconstructions,
  validationImages,
} from '../../../src/training/stages/vqgan/held-out.js';
import { tesseraHere } from '../../cli/tessera.js';
import { TransformerTrainer } from '../../../src/training/transformer-trainer.js';
import { VqganTrainer } from '../../../src/training/vqgan-trainer.js';
import { plain as oneColour } from '../../data/pictures/pictures.js';
import {
  inTwo,
  trainFirstStage,
  transformerTrainer,
  vqganTrainer,
  type Settings,
} from '../../training/engine-runs.js';
import {
  eventsOf,
  images,
  lossesOf,
  SIZE,
  temporaryFolder,
  transformerConfig,
  vqganConfig,
} from '../../training/tiny.js';

const root = mkdtempSync(join(tmpdir(), 'tessera-engine-'));
const vqgan = join(root, 'vqgan');

test.before(() => trainFirstStage(vqgan));
test.after.always(() => rmSync(root, { recursive: true, force: true }));

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
    transformer: await transformerTrainer(join(folder, 'transformer'), vqgan, {
      ...every,
      learningRate: 1e-2,
    }),
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
    const of = async (ema?: boolean) => {
      const opened = await openRun({ run, ema }, stage as keyof typeof runs, 'cpu');
      t.is(opened.ema, ema ?? true);
      return opened.model;
    };
    const [trained, averaged, unasked] = [await of(false), await of(true), await of()];
    const key = keys.find((name) => name.endsWith('weight'))!;
    t.true(averaged.stateDict().get(key)!.sub(expected.get(key)!).abs().max().item() < 1e-6);
    t.false(trained.stateDict().get(key)!.equal(averaged.stateDict().get(key)!));
    for (const [name, tensor] of unasked.stateDict())
      t.true(tensor.equal(averaged.stateDict().get(name)!), name);
    if (trained instanceof FirstStage && averaged instanceof FirstStage) {
      const pictures = (await validationImages(images().heldOut, 'cpu'))!;
      t.is(measureImages(averaged, pictures)['psnr'], state.metrics['psnr']);
      const drawn = readFileSync(join(run, 'images', 'reconstructions-0000003.png'));
      for (const [model, isEqual] of [
        [averaged, true],
        [trained, false],
      ] as const) {
        const picture = join(folder, 'drawn.png');
        await saveReconstructions(model, pictures, picture);
        t.is(readFileSync(picture).equals(drawn), isEqual);
      }
      t.not(measureImages(trained, pictures)['psnr'], state.metrics['psnr']);
    }
  }
  const plain = await transformerTrainer(join(folder, 'plain'), vqgan, { steps: 3, learningRate: 1e-2 });
  const { metrics } = (await eventsOf(plain)).findLast((event) => event.type === 'end')!;
  const { state } = await newestCheckpoint(join(folder, 'transformer'));
  t.not(metrics!['heldOutLoss'], state.metrics['heldOutLoss'], 'trained alike, but not averaged');
  const samples = (run: string) => readFileSync(join(folder, run, 'images', 'samples-0000003.png'));
  t.notDeepEqual(samples('plain'), samples('transformer'));
  const sampled = async (...flags: string[]) => {
    const out = join(folder, `sampled ${flags.join()}`);
    const args = ['sample', join(folder, 'transformer'), '--n', '4', '--seed', '1', '--out', out, '--quiet'];
    const { code, stderr } = await tesseraHere([...args, ...flags]);
    t.is(code, 0, stderr);
    const files = readdirSync(out).filter((name) => name.endsWith('.png'));
    const pixels = files.map((name) => sharp(join(out, name)).raw().toBuffer());
    return Buffer.concat(await Promise.all(pixels));
  };
  t.true((await sampled()).equals(await sampled('--ema')));
  t.false((await sampled()).equals(await sampled('--no-ema')));

  const none = { run: join(folder, 'plain'), ema: true };
  await t.throwsAsync(openRun(none, 'transformer', 'cpu'), {
    message: /has no moving average.*leave out --ema/,
  });
  const inner = { run: join(folder, 'transformer'), ema: true };
  await t.throwsAsync(openRun(inner, 'vqgan', 'cpu'), { message: /has no moving average of these weights/ });
  const picture = join(folder, 'picture.png');
  await oneColour(SIZE, SIZE, '#336699').png().toFile(picture);
  const psnrOf = async (ema?: boolean) => {
    const out = join(folder, `reconstructed ${ema}`);
    await reconstruct(join(folder, 'vqgan'), [picture], {
      device: 'cpu',
      quiet: true,
      out,
      ...(ema !== undefined && { ema }),
    });
    const { ema: recorded, pictures: results } = JSON.parse(
      readFileSync(join(out, 'reconstructions.json'), 'utf8'),
    ) as { ema?: boolean; pictures: { psnr: number }[] };
    t.is(recorded, ema === false ? undefined : true);
    return results[0]!.psnr;
  };
  t.not(await psnrOf(true), await psnrOf(false));
  t.is(await psnrOf(), await psnrOf(true));
  t.deepEqual(sourceOf('run', { ema: true }), { run: 'run', ema: true });
  t.regex(readFileSync(join(folder, 'vqgan', 'README.md'), 'utf8'), /moving average .*--no-ema/);
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
  [
    'transformer',
    { ...everything, precision: 'bfloat16', optimizer: { target: 'NAdam', params: { eps: 1e-6 } } },
  ],
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
      const { optimizers } = (await newestCheckpoint(join(folder, 'whole'))).state as unknown as Record<
        'optimizers',
        Record<string, { eps: number }[]>
      >;
      t.is(Object.values(optimizers)[0]![0]!.eps, stage === 'transformer' ? 1e-6 : 1e-8);
      t.deepEqual(Object.keys((await files('whole')) as object).sort(), [
        'ema.safetensors',
        'model.safetensors',
        'optimizer.safetensors',
      ]);
    },
  );
}
