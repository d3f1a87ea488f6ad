/** The trainers with nothing but `training.device` changed. */
import { join } from 'node:path';
import { openRun } from '../../src/runs/open.js';
import { TransformerTrainer } from '../../src/training/transformer-trainer.js';
import { VqganTrainer } from '../../src/training/vqgan-trainer.js';
import {
  eventsOf,
  images,
  lossesOf,
  temporaryFolder,
  transformerConfig,
  vqganConfig,
} from '../training/tiny.js';
import { device, onDevice } from './device.js';

for (const training of [
  { step: 'one-pass' },
  { step: 'reference' },
  { precision: 'bfloat16' },
  { precision: 'float16', nonFinite: 'skip' },
  { precision: 'autocast-float16' },
  // Enough steps to be recorded before the stop and after it; wide enough for the fused kernels.
  { graph: true, steps: 12, ch: 64 },
  { graph: true, steps: 12, ch: 64, channelsLast: true, precision: 'bfloat16' },
  { graph: true, steps: 12, ch: 64, precision: 'float16' },
] as const) {
  const { ch, ...settings } = { ch: 32, steps: 6, ...training };
  onDevice(`a VQGAN run with ${JSON.stringify(training)} learns, stops and resumes there`, async (t) => {
    const run = join(temporaryFolder(t), 'run');
    const config = vqganConfig({ ...settings, device });
    Object.assign(config.model.params.ddconfig, { ch, z_channels: ch });
    const half = settings.steps / 2;
    const first = await eventsOf(await VqganTrainer.create(config, { run, images: images() }), half);
    t.like(first.at(-1), { type: 'end', step: half, interrupted: true });
    const second = await eventsOf(await VqganTrainer.resume(run, { images: images() }));
    t.like(second.at(-1), { type: 'end', step: 2 * half, interrupted: false });
    const losses = new Map([...lossesOf(first), ...lossesOf(second)]);
    t.is(losses.size, 2 * half);
    // A note says why steps were not replayed.
    const notes = [...first, ...second].filter((event) => event.type === 'note');
    if (device.startsWith('cuda')) t.deepEqual(notes, []);
    for (const log of losses.values()) t.true(Object.values(log).every(Number.isFinite));

    const { model } = await openRun(run, 'vqgan', device);
    t.true(model.parameters().every((parameter) => parameter.device === device));
  });
}

onDevice('a deterministic run that was stopped and resumed equals one that was not', async (t) => {
  const folder = temporaryFolder(t);
  const config = vqganConfig({ device, deterministic: true });
  const create = (name: string) => VqganTrainer.create(config, { run: join(folder, name), images: images() });
  const expected = lossesOf(await eventsOf(await create('whole')));
  const first = lossesOf(await eventsOf(await create('parts'), 3));
  const second = lossesOf(
    await eventsOf(await VqganTrainer.resume(join(folder, 'parts'), { images: images() })),
  );
  t.deepEqual(new Map([...first, ...second]), expected);
});

onDevice(
  'steps replayed as a graph log the losses of steps that run, through a schedule of learning rates',
  async (t) => {
    const folder = temporaryFolder(t);
    const run = async (graph: boolean) => {
      const config = vqganConfig({ device, deterministic: true, graph, steps: 12, discriminatorFrom: 0.5 });
      const trainer = await VqganTrainer.create(config, { run: join(folder, `${graph}`), images: images() });
      const events = await eventsOf(trainer);
      const notes = events.filter((event) => event.type === 'note');
      t.is(notes.length, graph && !device.startsWith('cuda') ? 1 : 0, JSON.stringify(notes));
      return lossesOf(events);
    };
    const [expected, actual] = [await run(false), await run(true)];
    for (const [step, log] of expected) {
      for (const [name, value] of Object.entries(log)) {
        const apart = Math.abs(actual.get(step)![name]! - value);
        t.true(apart <= 1e-4 * Math.max(1, Math.abs(value)), `step ${step}, ${name}: off by ${apart}`);
      }
    }
  },
);

onDevice('a float32 VQGAN run logs the losses it logs on the CPU', async (t) => {
  const folder = temporaryFolder(t);
  const run = async (where: string) => {
    const config = vqganConfig({ precision: 'float32', device: where, steps: 3 });
    const trainer = await VqganTrainer.create(config, {
      run: join(folder, where.replace(':', '-')),
      images: images(),
    });
    return lossesOf(await eventsOf(trainer));
  };
  const expected = await run('cpu');
  const actual = device === 'cpu' ? expected : await run(device);
  for (const [step, log] of expected) {
    for (const [name, value] of Object.entries(log)) {
      const apart = Math.abs(actual.get(step)![name]! - value);
      t.true(apart <= 1e-3 * Math.max(1, Math.abs(value)), `step ${step}, ${name}: off by ${apart}`);
    }
  }
});

onDevice('a transformer run learns there, and its metrics are finite', async (t) => {
  const folder = temporaryFolder(t);
  const vqgan = join(folder, 'vqgan');
  const stage1 = vqganConfig({ steps: 2, device });
  await eventsOf(await VqganTrainer.create(stage1, { run: vqgan, images: images() }));
  const config = transformerConfig(vqgan, { device });
  const trainer = await TransformerTrainer.create(config, { run: join(folder, 'run'), images: images() });
  const events = await eventsOf(trainer);
  const end = events.at(-1);
  t.like(end, { type: 'end', step: 6, interrupted: false });
  if (end?.type === 'end') t.true(Number.isFinite(end.metrics?.['heldOutLoss']));
  for (const log of lossesOf(events).values()) t.true(Object.values(log).every(Number.isFinite));
});
