/** Runs whose steps give NaN or infinity: `training.nonFinite`. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { listCheckpoints, newestCheckpoint } from '../../src/runs/checkpoint.js';
import { NonFiniteError } from '../../src/runs/error.js';
import type { TrainingEvent } from '../../src/runs/events.js';
import { loadCheckpoint } from '../../src/torch/io/index.js';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';
import type { TransformerTrainer } from '../../src/training/transformer-trainer.js';
import { VqganTrainer } from '../../src/training/vqgan-trainer.js';
import { trainFirstStage, transformerTrainer, vqganTrainer, type Settings } from './engine-runs.js';
import { eventsOf, images, temporaryFolder } from './tiny.js';

const root = mkdtempSync(join(tmpdir(), 'tessera-finite-'));
const vqgan = join(root, 'vqgan');

test.before(() => trainFirstStage(vqgan));
test.after.always(() => rmSync(root, { recursive: true, force: true }));

type Bad = (step: number) => boolean;

/** Makes the images of some steps, counted from 1, infinite; returns sums of all that were given. */
function spoilImages(trainer: VqganTrainer, bad: Bad): number[] {
  const given: number[] = [];
  trainer.model.registerForwardPreHook((self, [batch]) => {
    if (!self.training) return;
    given.push((batch as Tensor).sum().item());
    return bad(trainer.step + 1) ? [(batch as Tensor).mul(Infinity)] : undefined;
  });
  return given;
}

/** Makes the gradient of a parameter NaN at some steps. */
function spoilGradient(trainer: VqganTrainer | TransformerTrainer, parameter: Tensor, bad: Bad): void {
  parameter.registerHook((gradient) => (bad(trainer.step + 1) ? gradient.mul(NaN) : undefined));
}

const notesOf = (events: readonly TrainingEvent[]) =>
  events.flatMap((event) => (event.type === 'note' ? [event.message] : []));

/** Tensors of a checkpoint of a step but its generators. */
async function tensorsAt(run: string, step: number): Promise<Map<string, Tensor>> {
  const { path } = listCheckpoints(run).find((checkpoint) => checkpoint.step === step)!;
  const read = async (name: string) => {
    using file = await loadCheckpoint(join(path, `${name}.safetensors`));
    const keys = [...file.tensors.keys()].filter((key) => !key.startsWith('random.'));
    return keys.map((key) => [key, torch.keep(file.tensors.get(key)!)] as const);
  };
  return new Map([...(await read('model')), ...(await read('optimizer'))]);
}

/** Keys of the tensors that differ. */
const differing = (a: Map<string, Tensor>, b: Map<string, Tensor>) =>
  [...new Set([...a.keys(), ...b.keys()])].filter(
    (key) => !a.get(key)?.equal(b.get(key) ?? torch.zeros([0])),
  );

async function failure(t: ExecutionContext, trainer: VqganTrainer | TransformerTrainer): Promise<string> {
  return (await t.throwsAsync(eventsOf(trainer), { instanceOf: NonFiniteError })).message;
}

test.serial('a run ends at the next log; asked to, it names the first bad tensor and its step', async (t) => {
  const folder = temporaryFolder(t);
  const rarely = { steps: 9, logEvery: 5, saveEvery: 100, nonFinite: 'stop' };
  const first = await vqganTrainer(join(folder, 'images'), rarely);
  spoilImages(first, (step) => step === 3);
  t.regex(
    await failure(t, first),
    /^step 5: the loss "rec" is NaN or infinite at step 3\. The last good checkpoint is .*step-0000000/,
  );
  const second = await vqganTrainer(join(folder, 'gradient'), { ...rarely, precision: 'bfloat16' });
  spoilGradient(second, second.model.decoder.convOut.bias!, (step) => step === 4);
  t.regex(await failure(t, second), /the gradient of decoder\.conv_out\.bias is NaN or infinite at step 4/);
  const plain = await vqganTrainer(join(folder, 'plain'), { ...rarely, nonFinite: null });
  spoilImages(plain, (step) => step === 3);
  t.regex(
    await failure(t, plain),
    /^step 5: the loss "rec" is NaN\. .* training\.learningRate=\S+, or with training\.nonFinite=stop, which names/,
  );
  const third = await transformerTrainer(join(folder, 'transformer'), vqgan, rarely);
  spoilGradient(third, third.net.transformer.lnF.weight!, (step) => step === 2);
  t.regex(await failure(t, third), /the gradient of transformer\.ln_f\.weight is NaN or infinite at step 2/);
});

const skipping = { steps: 4, logEvery: 1, saveEvery: 1, keep: 9, nonFinite: 'skip' };

for (const [name, training] of [
  ['reference, in bfloat16', { step: 'reference', precision: 'bfloat16' }],
  ['one-pass, another optimizer, clipped', { optimizer: 'NAdam', clipNorm: 1 }],
] as const) {
  test.serial(`a skipped step of a first stage changes nothing: ${name}`, async (t) => {
    const run = join(temporaryFolder(t), 'run');
    const trainer = await vqganTrainer(run, { ...skipping, ...training });
    spoilImages(trainer, (step) => step === 3);
    const events = await eventsOf(trainer);
    t.deepEqual(notesOf(events), [
      'the loss "rec" is NaN or infinite at step 3; training.nonFinite=skip left out 1 of the steps since the last log',
    ]);
    const losses = events.flatMap((event) => (event.type === 'log' ? [event.losses] : []));
    t.deepEqual(
      losses.map(({ skipped, rec }) => [skipped, rec! > 0]),
      [
        [0, true],
        [0, true],
        [1, false],
        [0, true],
      ],
    );
    const [before, after, next] = [await tensorsAt(run, 2), await tensorsAt(run, 3), await tensorsAt(run, 4)];
    t.deepEqual(differing(after, before), []);
    const moved = differing(next, after);
    for (const key of [
      'encoder.conv_in.weight',
      'loss.discriminator.main.3.running_mean',
      'generator.0.step',
    ])
      t.true(moved.includes(key), key);
  });
}

test.serial('a skipped step of a transformer changes nothing', async (t) => {
  const run = join(temporaryFolder(t), 'run');
  const trainer = await transformerTrainer(run, vqgan, skipping);
  spoilGradient(trainer, trainer.net.transformer.head.weight, (step) => step === 3);
  t.regex(
    notesOf(await eventsOf(trainer)).join(),
    /the gradient of transformer\.head\.weight .* at step 3; .* left out 1/,
  );
  t.deepEqual(differing(await tensorsAt(run, 3), await tensorsAt(run, 2)), []);
  t.true(differing(await tensorsAt(run, 4), await tensorsAt(run, 3)).length > 0);
});

test.serial('a run that skipped steps resumes exactly, and one that only skips ends', async (t) => {
  const folder = temporaryFolder(t);
  const training = { ...skipping, steps: 5, saveEvery: 100, ema: 0.5 };
  const bad = (step: number) => step === 2 || step === 4;
  const start = async (name: string, stopAt?: number) => {
    const trainer = await vqganTrainer(join(folder, name), training);
    spoilImages(trainer, bad);
    await eventsOf(trainer, stopAt);
  };
  await start('whole');
  await start('parts', 3);
  const rest = await VqganTrainer.resume(join(folder, 'parts'), { images: images() });
  spoilImages(rest, bad);
  await eventsOf(rest);
  const files = async (name: string) => (await newestCheckpoint(join(folder, name))).state['files'];
  t.deepEqual(await files('parts'), await files('whole'));
  const hopeless = await vqganTrainer(join(folder, 'hopeless'), { ...training, steps: 40, logEvery: 11 });
  spoilImages(hopeless, (step) => step > 2);
  t.regex(await failure(t, hopeless), /^step 22: .* at step 12, and each of the last 20 steps was skipped/);
});

test.serial(
  'a run returns to its last checkpoint, and goes on with the next images, in bfloat16',
  async (t) => {
    const folder = temporaryFolder(t);
    const settings: Settings = {
      steps: 6,
      logEvery: 2,
      saveEvery: 2,
      keep: 9,
      precision: 'bfloat16',
      ema: 0.5,
    };
    const start = async (name: string, more: Settings, bad: Bad) => {
      const trainer = await vqganTrainer(join(folder, name), { ...settings, ...more });
      return { trainer, given: spoilImages(trainer, bad) };
    };
    const plain = await start('plain', {}, () => false);
    await eventsOf(plain.trainer);
    const run = join(folder, 'run');
    const { trainer, given } = await start('run', { nonFinite: 'rollback' }, (step) => step === 3);
    const notes: string[] = [];
    for await (const event of trainer.run()) {
      if (event.type !== 'note') continue;
      notes.push(event.message);
      const saved = await tensorsAt(run, 2);
      for (const [key, tensor] of trainer.model.stateDict()) {
        if (saved.has(key)) t.true(saved.get(key)!.to(tensor.dtype).equal(tensor), key);
      }
    }
    t.deepEqual(notes, [
      'step 4: the loss "rec" is NaN or infinite at step 3; training.nonFinite=rollback goes on with the weights of ' +
        'step 2 and the next images',
    ]);
    t.deepEqual(given, plain.given, 'the same images at the same steps');
    t.deepEqual(
      listCheckpoints(run).map(({ step }) => step),
      [0, 2, 6],
    );
    t.deepEqual(differing(await tensorsAt(run, 2), await tensorsAt(join(folder, 'plain'), 2)), []);
    const { 'generator.0.step': taken } = Object.fromEntries(await tensorsAt(run, 6));
    t.is(taken!.item(), 4, 'two steps before, and two after');
    t.regex(readFileSync(join(run, 'metrics.jsonl'), 'utf8'), /\{"step":4,"rolledBackTo":2\}/);
  },
);

test.serial('a run that returns to the same checkpoint again and again ends', async (t) => {
  const training = { steps: 20, logEvery: 1, saveEvery: 100, nonFinite: 'rollback' };
  const trainer = await transformerTrainer(join(root, 'again'), vqgan, training);
  spoilGradient(trainer, trainer.net.transformer.head.weight, (step) => step >= 3);
  const events: TrainingEvent[] = [];
  const error = await t.throwsAsync(
    async () => {
      for await (const event of trainer.run()) events.push(event);
    },
    { instanceOf: NonFiniteError },
  );
  t.regex(error.message, /^step 6: the gradient of transformer\.head\.weight is NaN or infinite at step 6/);
  t.is(notesOf(events).length, 3);
});
