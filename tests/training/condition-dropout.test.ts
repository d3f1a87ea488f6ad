/** Training without the condition now and then, which guidance needs. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { Net2NetTransformer } from '../../src/models/two-stage.js';
import { newestCheckpoint } from '../../src/runs/checkpoint.js';
import { openRun } from '../../src/runs/open.js';
import { sampleTokens } from '../../src/sampling/images.js';
import * as torch from '../../src/torch/index.js';
import { dropConditions } from '../../src/training/stages/transformer/step.js';
import { TransformerTrainer } from '../../src/training/transformer-trainer.js';
import { VqganTrainer } from '../../src/training/vqgan-trainer.js';
import { classNet } from '../sampling/first-stages.js';
import { eventsOf, images, lossesOf, temporaryFolder, transformerConfig, vqganConfig } from './tiny.js';

const root = mkdtempSync(join(tmpdir(), 'tessera-dropout-'));
const vqgan = join(root, 'vqgan');
const kinds = Array.from({ length: 20 }, (_, i) => `kind ${i}`); // over 16 codes

test.before(async () => {
  await eventsOf(await VqganTrainer.create(vqganConfig({ steps: 1 }), { run: vqgan, images: images() }));
});
test.after.always(() => rmSync(root, { recursive: true, force: true }));

/** A class-conditional second stage with sizes filled in. */
function classConfig(
  training: Record<string, unknown>,
  classes: Record<string, unknown> = {},
  more: Record<string, unknown> = {},
) {
  const config = transformerConfig(vqgan, training);
  const { unconditional: _, transformer_config: gpt, ...params } = config.model.params;
  const { vocab_size: __, block_size: ___, ...own } = gpt.params;
  const cond_stage_config = { target: 'taming.modules.util.Labelator', params: classes };
  const transformer_config = { ...gpt, params: own };
  return {
    ...config,
    model: { ...config.model, params: { ...params, cond_stage_config, transformer_config, ...more } },
  };
}

/** The classes of `classNet`, with an id for a dropped one. */
function droppable(nullToken: number | null): Net2NetTransformer {
  const { config } = classNet('VQModel');
  return new Net2NetTransformer({ ...config, nullToken });
}

test('conditions are dropped row by row, with the given probability, and none is drawn at 0', (t) => {
  const net = droppable(11);
  const condition = torch.full([20000, 2], 3, { dtype: 'int64' });
  torch.manualSeed(4);
  const rows = dropConditions(net, condition, 0.1);
  const share = rows.eq(11).all(1).double().mean().item();
  t.true(Math.abs(share - 0.1) < 0.01, `${share} of the rows`);
  t.is(rows.eq(3).all(1).double().mean().item() + share, 1, 'whole rows');
  const before = torch.defaultGenerator('cpu').getState().tolist();
  t.is(dropConditions(net, condition, 0), condition);
  t.deepEqual(torch.defaultGenerator('cpu').getState().tolist(), before);
  t.throws(() => dropConditions(droppable(null), condition, 0.1), { message: /build it with nullToken/ });
});

test.serial('a run drops classes, resumes bit for bit, and can be guided', async (t) => {
  const folder = temporaryFolder(t);
  const create = (name: string, conditionDropout = 0.5, params = {}) =>
    TransformerTrainer.create(classConfig({ steps: 4, conditionDropout }, {}, params), {
      run: join(folder, name),
      images: images(kinds),
    });
  const whole = await eventsOf(await create('whole'));
  const first = await eventsOf(await create('parts'), 2);
  const second = await eventsOf(
    await TransformerTrainer.resume(join(folder, 'parts'), { images: images(kinds) }),
  );
  t.deepEqual(new Map([...lossesOf(first), ...lossesOf(second)]), lossesOf(whole));
  const files = async (name: string) => (await newestCheckpoint(join(folder, name))).state['files'];
  t.deepEqual(await files('parts'), await files('whole'));

  const { model } = await openRun(join(folder, 'whole'), 'transformer', 'cpu');
  t.is(model.config.nullToken, 20);
  t.is(model.transformer.vocabSize, 21);
  const condition = torch.tensor([[19n]]);
  t.deepEqual(model.dropped(condition)!.tolist(), [[20]]);
  const tokens = sampleTokens(model, condition, 6, { guidance: 3, greedy: true });
  t.true(Number(tokens.max().item()) < 16, 'codes only');

  const kept = await eventsOf(await create('kept', 0, { null_token: 20 }));
  t.notDeepEqual(lossesOf(kept), lossesOf(whole), 'the same weights, but nothing is dropped');
  const plain = await create('plain', 0);
  t.is(plain.net.config.nullToken, undefined);
  t.is(plain.net.transformer.vocabSize, 20);
  await plain.close();
});

test.serial('classes that fit the codes need no larger vocabulary, and a given number is kept', async (t) => {
  const run = join(temporaryFolder(t), 'run');
  const config = classConfig({ steps: 1, conditionDropout: 0.1 }, { n_classes: 5 });
  const trainer = await TransformerTrainer.create(config, { run, images: images(kinds.slice(0, 3)) });
  t.is(trainer.net.config.nullToken, 5);
  t.is(trainer.net.transformer.vocabSize, 16);
  await trainer.close();
});

test.serial('refused before anything is written: nothing to drop, and a probability of 1', async (t) => {
  const run = join(temporaryFolder(t), 'run');
  for (const [config, message] of [
    [
      transformerConfig(vqgan, { conditionDropout: 0.1 }),
      /conditionDropout is 0\.1, but the model has no condition/,
    ],
    [classConfig({ conditionDropout: 1 }), /conditionDropout must be a number in \[0, 1\)/],
  ] as const) {
    await t.throwsAsync(TransformerTrainer.create(config, { run, images: images(kinds) }), { message });
  }
  t.false(existsSync(join(run, 'checkpoints')));
});
