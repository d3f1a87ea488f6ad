import { appendFileSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import type { GumbelVQ } from '../../src/models/autoencoder/vqgan.js';
import { metricNamed } from '../../src/metrics/definitions.js';
import { formatMetric } from '../../src/metrics/metric.js';
import { LPIPS } from '../../src/models/losses/lpips.js';
import { saveSafetensors } from '../../src/torch/io/index.js';
import * as torch from '../../src/torch/index.js';
import { listCheckpoints, newestCheckpoint } from '../../src/runs/checkpoint.js';
import { openRun } from '../../src/runs/open.js';
import { RunError } from '../../src/runs/error.js';
import { readMetrics } from '../../src/runs/folder.js';
import { NonFiniteError } from '../../src/runs/error.js';
import { VqganTrainer } from '../../src/training/vqgan-trainer.js';
import { eventsOf, images, lossesOf, temporaryFolder, vqganConfig } from './tiny.js';

const create = (run: string, training: Record<string, unknown> = {}) =>
  VqganTrainer.create(vqganConfig(training), { run, images: images() });
const resume = (run: string, changes?: unknown) => VqganTrainer.resume(run, { images: images(), changes });

/** Hashes of the newest checkpoint's weights, optimizers and generators. */
const contents = async (run: string) => (await newestCheckpoint(run)).state['files'];

for (const training of [
  { discriminatorFrom: 0.5, precision: 'bfloat16', channelsLast: true },
  { step: 'reference', saveEvery: 2 },
] as const) {
  test.serial(`a resumed run equals an uninterrupted one: ${JSON.stringify(training)}`, async (t) => {
    const folder = temporaryFolder(t);
    const [whole, parts] = [join(folder, 'whole'), join(folder, 'parts')];
    const expected = lossesOf(await eventsOf(await create(whole, training)));
    t.is(expected.size, 6);
    const first = await eventsOf(await create(parts, training), 3);
    t.like(first.at(-1), { type: 'end', step: 3, interrupted: true });
    torch.manualSeed(99); // Whatever happened to this process's generators in between.
    const second = await eventsOf(await resume(parts));
    t.deepEqual(new Map([...lossesOf(first), ...lossesOf(second)]), expected);
    t.deepEqual(await contents(parts), await contents(whole));
    t.deepEqual(
      readMetrics(parts).map(({ step, losses }) => [step, losses]),
      readMetrics(whole).map(({ step, losses }) => [step, losses]),
    );
  });
}

test.serial('a Gumbel quantizer trains too, and its temperature follows the schedule', async (t) => {
  const folder = temporaryFolder(t);
  const config = vqganConfig({ steps: 4 });
  const { embed_dim: _, ...params } = config.model.params;
  const schedule = { warm_up_steps: 0, lr_start: 1, lr_max: 1, lr_min: 0.5, max_decay_steps: 4 };
  const temperature_scheduler_config = {
    target: 'taming.lr_scheduler.LambdaWarmUpCosineScheduler',
    params: schedule,
  };
  const model = {
    target: 'taming.models.vqgan.GumbelVQ',
    params: { ...params, embed_dim: params.ddconfig.z_channels, temperature_scheduler_config },
  };
  const begin = (run: string) =>
    VqganTrainer.create({ ...config, model }, { run: join(folder, run), images: images() });
  const expected = lossesOf(await eventsOf(await begin('whole')));
  const first = await begin('parts');
  await eventsOf(first, 2);
  const resumed = await resume(join(folder, 'parts'));
  const losses = lossesOf(await eventsOf(resumed));
  t.deepEqual([...losses], [...expected].slice(2));
  t.is((resumed.model as GumbelVQ).quantize.temperature, 0.5 + 0.25 * (1 + Math.cos(0.75 * Math.PI)));
});

test.serial(
  'where steps cannot be replayed as a graph that is said once, and they are the same',
  async (t) => {
    if (torch.cuda.isAvailable()) return t.pass();
    const folder = temporaryFolder(t);
    const expected = lossesOf(await eventsOf(await create(join(folder, 'plain'), { steps: 3 })));
    const events = await eventsOf(await create(join(folder, 'graph'), { steps: 3, graph: true }));
    const notes = events.filter((event) => event.type === 'note');
    t.is(notes.length, 1);
    t.like(notes[0], { step: 1 });
    t.regex(JSON.stringify(notes[0]), /steps run eagerly, not as a CUDA graph: CUDA is not available/);
    for (const [step, log] of lossesOf(events)) {
      for (const [name, value] of Object.entries(log)) {
        // Learning rates on the device are float32.
        const right = expected.get(step)![name]!;
        t.true(
          Math.abs(value - right) <= 1e-5 * Math.max(1, Math.abs(right)),
          `${name} at ${step}: ${value}`,
        );
      }
    }
  },
);

test.serial('a run killed without warning goes on from its last checkpoint', async (t) => {
  const folder = temporaryFolder(t);
  const run = join(folder, 'run');
  const expected = lossesOf(await eventsOf(await create(join(folder, 'whole'), { saveEvery: 2 })));
  const trainer = await create(run, { saveEvery: 2 });
  for await (const event of trainer.run()) if (event.type === 'step' && event.step === 5) break;
  // What kill -9 leaves behind.
  appendFileSync(join(run, 'metrics.jsonl'), '{"step":5,"los');
  writeFileSync(join(run, 'checkpoints', '.step-0000005.1.partial'), '');
  t.is((await newestCheckpoint(run)).step, 4);
  const losses = lossesOf(await eventsOf(await resume(run)));
  t.deepEqual([...losses.keys()], [5, 6]);
  for (const [step, values] of losses) t.deepEqual(values, expected.get(step));
  t.deepEqual(
    readMetrics(run).map(({ step }) => step),
    readMetrics(join(folder, 'whole')).map(({ step }) => step),
  );
  t.deepEqual(
    readdirSync(join(run, 'checkpoints')).filter((name) => name.startsWith('.')),
    [],
  );
});

test.serial('a run folder tells all of the run', async (t) => {
  const run = join(temporaryFolder(t), 'run');
  const events = await eventsOf(
    await create(run, { saveEvery: 2, keep: 1, imagesEvery: 3, restartCodes: false }),
  );
  const end = events.at(-1);
  t.like(end, { type: 'end', step: 6, interrupted: false });
  if (end?.type !== 'end') return;
  for (const name of ['psnr', 'ssim', 'meanColourPsnr', 'used', 'perplexity']) {
    t.true(Number.isFinite(end.metrics?.[name]), name);
  }
  t.deepEqual(readdirSync(join(run, 'images')), [
    'reconstructions-0000003.png',
    'reconstructions-0000006.png',
  ]);
  const card = readFileSync(join(run, 'README.md'), 'utf8');
  t.regex(card, /perceptual term was off/);
  for (const name of ['psnr', 'perplexity'])
    t.true(card.includes(formatMetric(metricNamed(name)!, end.metrics![name]!)), name);
  t.regex(readFileSync(join(run, 'config.yaml'), 'utf8'), /lpips: off/);
  t.like(JSON.parse(readFileSync(join(run, 'environment.json'), 'utf8'))[0], {
    threads: 1,
    precision: 'float32',
  });
  const steps = listCheckpoints(run).map(({ step }) => step);
  t.is(steps.at(-1), 6);
  t.true(steps.length <= 2, 'the newest and the best are kept');
  t.false(existsSync(join(run, 'run.lock')));

  const { model, step } = await openRun(run, 'vqgan', 'cpu');
  t.is(step, 6);
  t.deepEqual(model.encode(torch.zeros([1, 3, 16, 16])).indices.shape, [1, 8, 8]);
  await t.throwsAsync(create(run), { instanceOf: RunError, message: /already contains a run/ });
});

test.serial('there is a checkpoint before the first step, and two runs never share a folder', async (t) => {
  const run = join(temporaryFolder(t), 'run');
  const trainer = await create(run);
  t.is((await newestCheckpoint(run)).step, 0);
  await t.throwsAsync(resume(run), {
    instanceOf: RunError,
    message: new RegExp(`process ${process.pid} on`),
  });
  await trainer.close();
  // A dead process's lock is taken over.
  const owner = {
    pid: 2 ** 22 + 5,
    host: (await import('node:os')).hostname(),
    started: 'long ago',
    begun: '1',
  };
  writeFileSync(join(run, 'run.lock'), JSON.stringify(owner));
  await (await resume(run)).close();
  t.false(existsSync(join(run, 'run.lock')));
});

test.serial(
  'NaN ends the run and names the last good checkpoint, which goes on with a lower learning rate',
  async (t) => {
    const run = join(temporaryFolder(t), 'run');
    const trainer = await create(run, { saveEvery: 2 });
    const error = await t.throwsAsync(
      async () => {
        for await (const event of trainer.run()) {
          if (event.type !== 'step' || event.step !== 3) continue;
          torch.noGrad(() => trainer.model.quantConv.weight.fill_(NaN));
        }
      },
      { instanceOf: NonFiniteError },
    );
    t.regex(error.message, /step 4: the loss "\w+" is NaN.*step-0000002.*training\.learningRate=/);
    const again = await eventsOf(await resume(run, { training: { learningRate: 1e-5 } }));
    t.like(again.at(-1), { type: 'end', step: 6 });
    await t.throwsAsync(resume(run, { training: { batchSize: 4 } }), {
      message: /cannot change training\.batchSize/,
    });
  },
);

test.serial('mistakes end before a folder is made', async (t) => {
  const run = join(temporaryFolder(t), 'run');
  await t.throwsAsync(create(run, { batchsize: 3 }), {
    message: /"training\.batchsize".*"training\.batchSize"/,
  });
  const size = { ...vqganConfig(), data: { path: 'stripes', size: 15 } };
  await t.throwsAsync(VqganTrainer.create(size, { run, images: images() }), { message: /multiple of 2/ });
  const lpips = join(run, 'none.safetensors');
  const wanting = vqganConfig({ lpips });
  wanting.model.params.lossconfig.params = {
    ...wanting.model.params.lossconfig.params,
    perceptual_weight: 1,
  };
  await t.throwsAsync(VqganTrainer.create(wanting, { run, images: images() }), {
    message: /there is no file/,
  });
  t.false(existsSync(run));
});

test.serial('LPIPS weights from a file act, are recorded, and are not copied into checkpoints', async (t) => {
  const folder = temporaryFolder(t);
  const [run, lpips] = [join(folder, 'run'), join(folder, 'lpips.safetensors')];
  await saveSafetensors(lpips, new LPIPS().stateDict());
  const config = vqganConfig({ steps: 1, lpips, precision: 'bfloat16' });
  config.model.params.lossconfig.params = { ...config.model.params.lossconfig.params, perceptual_weight: 1 };
  const events = await eventsOf(await VqganTrainer.create(config, { run, images: images() }));
  t.true(lossesOf(events).get(1)!['perceptual']! > 0);
  t.regex(
    readFileSync(join(run, 'README.md'), 'utf8'),
    /perceptual term was on, with LPIPS weights from .*lpips\.safetensors/,
  );
  t.true(statSync(join((await newestCheckpoint(run)).path, 'model.safetensors')).size < 2e6);
});

test.serial('unused codes are restarted in a codebook that follows moving averages', async (t) => {
  const folder = temporaryFolder(t);
  const used = async (restartCodes: boolean) => {
    const config = vqganConfig({ steps: 10, restartCodes, logEvery: 100 });
    const model = { ...config.model, target: 'taming.models.vqgan.EMAVQ' };
    const run = join(folder, String(restartCodes));
    const trainer = await VqganTrainer.create({ ...config, model }, { run, images: images() });
    const [start, ...others] = await eventsOf(trainer);
    t.like(start, { type: 'start', notes: [] });
    const end = others.at(-1);
    return end?.type === 'end' ? end.metrics!['used']! : 0;
  };
  const [without, restarted] = [await used(false), await used(true)];
  t.true(restarted > without + 2, `${without} codes in use without restarts, ${restarted} with them`);
});

test.serial('a codebook whose codes cannot be restarted says so, also when the run is resumed', async (t) => {
  const folder = temporaryFolder(t);
  const make = (training: Record<string, unknown>) => {
    const config = vqganConfig({ steps: 1, ...training });
    config.model.params.embed_dim = 32;
    return { ...config, model: { ...config.model, target: 'taming.models.vqgan.GumbelVQ' } };
  };
  const note = /restartCodes has no effect: the codes of GumbelQuantizer cannot be moved/;
  const notesOf = async (trainer: VqganTrainer) => {
    const [start] = await eventsOf(trainer);
    return start?.type === 'start' ? start.notes.filter((text) => note.test(text)).length : -1;
  };
  const [on, off] = [join(folder, 'on'), join(folder, 'off')];
  t.is(await notesOf(await VqganTrainer.create(make({}), { run: on, images: images() })), 1);
  t.is(await notesOf(await resume(on, { training: { steps: 2 } })), 1);
  const without = make({ restartCodes: false });
  t.is(await notesOf(await VqganTrainer.create(without, { run: off, images: images() })), 0);
});
