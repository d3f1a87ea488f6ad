/** Runs that begin with given weights, of which they may keep parts. */
import { join } from 'node:path';
import test from 'ava';
import type { TrainingEvent } from '../../../../src/runs/events.js';
import { newestCheckpoint, weightsOf } from '../../../../src/runs/checkpoint.js';
import { RunError } from '../../../../src/runs/error.js';
import { openRun } from '../../../../src/runs/open.js';
import { indicesOf } from '../../../../src/tokenizer/indices.js';
import * as torch from '../../../../src/torch/index.js';
import { loadCheckpoint } from '../../../../src/torch/io/index.js';
import { TransformerTrainer } from '../../../../src/training/transformer-trainer.js';
import { VqganTrainer } from '../../../../src/training/vqgan-trainer.js';
import { runs } from '../../../tokenizer/tokenizers.js';
import { eventsOf, images, temporaryFolder, transformerConfig, vqganConfig } from '../../tiny.js';

let made: Awaited<ReturnType<typeof runs>>;
test.before(async () => {
  made = await runs();
});
test.after.always(() => made.remove());

const tensorsOf = async (run: string) =>
  (await loadCheckpoint(weightsOf(await newestCheckpoint(run)))).tensors;
const reportIn = (events: readonly TrainingEvent[]) =>
  events
    .flatMap((event) => (event.type === 'note' ? [event.message] : []))
    .find((text) => /codes/.test(text));
const inTraining = { steps: 3, learningRate: 0.02, seed: 9, restartCodes: false };
const notesOf = (events: readonly TrainingEvent[]) =>
  events.flatMap((event) => (event.type === 'start' ? event.notes : [])).join('\n');

test('frozen parts keep their weights and have no optimizer state, so that no code changes', async (t) => {
  const run = join(temporaryFolder(t), 'run');
  const training = { ...inTraining, from: made.vqgan, freeze: 'encoder,quantizer', restartCodes: true };
  const trainer = await VqganTrainer.create(vqganConfig(training), { run, images: images() });
  const events = await eventsOf(trainer);
  const [before, after] = [await tensorsOf(made.vqgan), await tensorsOf(run)];
  for (const key of after.keys()) {
    const frozen = /^(encoder|quant_conv|quantize)\./.test(key);
    if (frozen || key === 'decoder.conv_out.weight')
      t.is(after.get(key)!.equal(before.get(key)!), frozen, key);
  }
  const { generator } = (await newestCheckpoint(run)).state['optimizers'] as {
    generator: { params: number[] }[];
  };
  const trained = [...after.keys()].filter((key) => /^(decoder|post_quant_conv)\./.test(key)).length;
  t.is(generator[0]!.params.length, trained);
  t.is(reportIn(events), '0.0% of the codes of 4 held-out images have changed since the run began');
  t.regex(notesOf(events), /\d+ tensors loaded from /);
});

test('the report counts the codes that differ from those of the initial weights, and survives a resume', async (t) => {
  const folder = temporaryFolder(t);
  const config = vqganConfig({ ...inTraining, from: made.vqgan });
  const whole = await eventsOf(
    await VqganTrainer.create(config, { run: join(folder, 'whole'), images: images() }),
  );
  const { image } = await images().heldOut.readExamples([0, 1, 2, 3], [], { device: 'cpu' });
  const [start, end] = await Promise.all(
    [made.vqgan, join(folder, 'whole')].map(async (run) => {
      const { model } = await openRun(run, 'vqgan', 'cpu');
      return torch.noGrad(() => indicesOf(model, image, 'float32'));
    }),
  );
  const share = 100 * start!.ne(end!).float().mean().item();
  t.true(share > 0);
  t.is(
    reportIn(whole),
    `${share.toFixed(1)}% of the codes of 4 held-out images have changed since the run began`,
  );
  const last = whole.find((event) => event.type === 'end') as { metrics?: Record<string, number> };
  t.true(Math.abs(last.metrics!['changedCodes']! - share) < 1e-4);

  const run = join(folder, 'stopped');
  await eventsOf(await VqganTrainer.create(config, { run, images: images() }), 1);
  const resumed = await eventsOf(await VqganTrainer.resume(run, { images: images() }));
  t.is(reportIn(resumed), reportIn(whole));
});

test('a run without initial weights reports nothing', async (t) => {
  const run = join(temporaryFolder(t), 'run');
  const events = await eventsOf(
    await VqganTrainer.create(vqganConfig({ steps: 1 }), { run, images: images() }),
  );
  t.is(reportIn(events), undefined);
});

test('a frozen codebook of moving averages neither follows them nor restarts its codes', async (t) => {
  const { model, ...rest } = vqganConfig({ ...inTraining, freeze: ['quantizer'], restartCodes: true });
  // More codes than can all be in use: unused ones would be moved.
  const params = { ...model.params, n_embed: 1024 };
  const config = { ...rest, model: { target: 'taming.models.vqgan.EMAVQ', params } };
  const trainer = await VqganTrainer.create(config, {
    run: join(temporaryFolder(t), 'run'),
    images: images(),
  });
  const before = trainer.model.quantize.codebook.clone();
  const encoder = trainer.model.encoder.convIn.weight.clone();
  for await (const event of trainer.run()) {
    if (event.type !== 'step' || event.step !== 2) continue;
    t.true(trainer.model.quantize.codebook.equal(before));
    t.false(trainer.model.encoder.convIn.weight.equal(encoder));
  }
});

test('a larger codebook begins with the codes that there are', async (t) => {
  const { model, ...rest } = vqganConfig({ from: weightsOf(await newestCheckpoint(made.vqgan)) });
  const config = { ...rest, model: { ...model, params: { ...model.params, n_embed: 24 } } };
  const trainer = await VqganTrainer.create(config, {
    run: join(temporaryFolder(t), 'run'),
    images: images(),
  });
  const codes = (await tensorsOf(made.vqgan)).get('quantize.embedding.weight')!;
  t.true(trainer.model.quantize.codebook.narrow(0, 0, 16).equal(codes));
  await trainer.close();
});

test('a transformer begins with a whole one, or with the first stage that is named', async (t) => {
  const folder = temporaryFolder(t);
  const own = join(folder, 'own');
  await (await VqganTrainer.create(vqganConfig({ seed: 5 }), { run: own, images: images() })).close();
  const { config } = await openRun(made.transformer, 'transformer', 'cpu');
  const { vqgan: _, ...training } = transformerConfig('').training;
  const whole = { ...transformerConfig(''), model: config.model };
  for (const vqgan of [undefined, own]) {
    const given = {
      ...whole,
      training: { ...training, from: made.transformer, ...(vqgan !== undefined && { vqgan }) },
    };
    const run = join(folder, vqgan === undefined ? 'whole' : 'mixed');
    const trainer = await TransformerTrainer.create(given, { run, images: images() });
    await trainer.close();
    const [begun, second] = [await tensorsOf(run), await tensorsOf(made.transformer)];
    t.true(begun.get('transformer.head.weight')!.equal(second.get('transformer.head.weight')!));
    const key = 'encoder.conv_in.weight';
    const first =
      vqgan === undefined ? second.get(`first_stage_model.${key}`)! : (await tensorsOf(own)).get(key)!;
    t.true(begun.get(`first_stage_model.${key}`)!.equal(first));
  }
});

for (const [training, message] of [
  [
    { freeze: 'encoder,discriminator' },
    /training\.freeze must be the parts to freeze, encoder or quantizer, or both.*got "encoder,discriminator"/,
  ],
  [{ freeze: ['decoder'] }, /encoder or quantizer/],
  [{ from: 'no/such.ckpt' }, /training\.from: there is no file no\/such\.ckpt/],
] as const) {
  test(`refused: ${JSON.stringify(training)}`, async (t) => {
    const run = join(temporaryFolder(t), 'run');
    const error = await t.throwsAsync(VqganTrainer.create(vqganConfig(training), { run, images: images() }), {
      message,
    });
    t.true(error instanceof TypeError || error instanceof RunError);
  });
}
