import { join } from 'node:path';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import test from 'ava';
import * as torch from '../../src/torch/index.js';
import { newestCheckpoint } from '../../src/runs/checkpoint.js';
import { openRun } from '../../src/runs/open.js';
import { RunError } from '../../src/runs/error.js';
import { TransformerTrainer } from '../../src/training/transformer-trainer.js';
import { VqganTrainer } from '../../src/training/vqgan-trainer.js';
import { eventsOf, images, lossesOf, temporaryFolder, transformerConfig, vqganConfig } from './tiny.js';

const root = mkdtempSync(join(tmpdir(), 'tessera-stage-1-'));
const vqgan = join(root, 'vqgan');

test.before(async () => {
  const config = vqganConfig({ steps: 2 });
  await eventsOf(await VqganTrainer.create(config, { run: vqgan, images: images() }));
});
test.after.always(() => rmSync(root, { recursive: true, force: true }));

test.serial('a resumed run equals an uninterrupted one, dropout and pkeep included', async (t) => {
  const folder = temporaryFolder(t);
  const config = transformerConfig(vqgan);
  const create = (name: string) =>
    TransformerTrainer.create(config, { run: join(folder, name), images: images() });
  const whole = await eventsOf(await create('whole'));
  const end = whole.at(-1);
  t.like(end, { type: 'end', step: 6, interrupted: false });
  if (end?.type === 'end') {
    for (const name of ['heldOutLoss', 'histogramEntropy', 'countModel']) {
      t.true(Number.isFinite(end.metrics?.[name]), name);
    }
  }
  const first = await eventsOf(await create('parts'), 2);
  torch.manualSeed(99);
  const second = await eventsOf(await TransformerTrainer.resume(join(folder, 'parts'), { images: images() }));
  t.deepEqual(new Map([...lossesOf(first), ...lossesOf(second)]), lossesOf(whole));
  const files = async (name: string) => (await newestCheckpoint(join(folder, name))).state['files'];
  t.deepEqual(await files('parts'), await files('whole'));

  const { model } = await openRun(join(folder, 'whole'), 'transformer', 'cpu');
  t.is(model.transformer.vocabSize, 16);
  t.regex(
    readFileSync(join(folder, 'whole', 'README.md'), 'utf8'),
    /\| cross-entropy per code \| \d\.\d{3} nats \|/,
  );
});

test.serial('a run stopped before its codes are extracted goes on', async (t) => {
  const run = join(temporaryFolder(t), 'run');
  const trainer = await TransformerTrainer.create(transformerConfig(vqgan), {
    run,
    images: images(),
  });
  const stopped = [];
  for await (const event of trainer.run({ signal: AbortSignal.abort() })) stopped.push(event.type);
  t.deepEqual(stopped, ['start', 'end']);
  const events = await eventsOf(await TransformerTrainer.resume(run, { images: images() }));
  t.like(events.at(-1), { type: 'end', step: 6, interrupted: false });
});

test.serial('classes condition the transformer; sizes are filled in', async (t) => {
  const classes = ['even', 'odd'];
  const config = transformerConfig(vqgan, { steps: 2, views: 2, precision: 'bfloat16' });
  const { unconditional: _, ...params } = config.model.params;
  const { vocab_size: __, block_size: ___, ...gpt } = params.transformer_config.params;
  const labelled = {
    ...config,
    model: {
      ...config.model,
      params: {
        ...params,
        cond_stage_config: { target: 'taming.modules.util.Labelator' },
        transformer_config: { ...params.transformer_config, params: gpt },
      },
    },
  };
  const run = join(temporaryFolder(t), 'run');
  await t.throwsAsync(TransformerTrainer.create(labelled, { run, images: images() }), {
    instanceOf: RunError,
    message: /no classes.*sub-folder per class/,
  });
  const trainer = await TransformerTrainer.create(labelled, { run, images: images(classes) });
  t.like(trainer.config.model.params, { cond_stage_config: { params: { n_classes: 2 } } });
  t.is(trainer.net.transformer.blockSize, 64);
  const events = await eventsOf(trainer);
  t.like(events.at(-1), { type: 'end', step: 2 });
  t.deepEqual((await openRun(run, 'transformer', 'cpu')).classes, classes);
});

test.serial('mistakes say what to do', async (t) => {
  const run = join(temporaryFolder(t), 'run');
  const attempt = (config: unknown) => TransformerTrainer.create(config, { run, images: images() });
  await t.throwsAsync(attempt(transformerConfig('nowhere')), {
    instanceOf: RunError,
    message: /--vqgan RUN/,
  });
  const size = { ...transformerConfig(vqgan), data: { path: 'stripes', size: 32 } };
  await t.throwsAsync(attempt(size), { message: /set data\.size=16/ });
  const small = transformerConfig(vqgan);
  small.model.params.transformer_config.params.block_size = 60;
  await t.throwsAsync(attempt(small), { message: /block_size is 60.*need at least 64/ });
});
