import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { newestCheckpoint, weightsOf } from '../../src/runs/checkpoint.js';
import { readConfig } from '../../src/runs/folder.js';
import { runs } from '../tokenizer/tokenizers.js';
import { loadCheckpoint } from '../../src/torch/io/index.js';
import { trained } from './trained.js';

let made: Awaited<ReturnType<typeof runs>>;
test.before(async () => {
  made = await runs();
});
test.after.always(() => made.remove());

test.serial('a VQGAN that begins with a run takes its model and the size of its images', async (t) => {
  const settings = ['training.lpips=off', '--freeze', 'encoder,quantizer'];
  const { model, data, training, run } = await trained(t, 'vqgan', '--from', made.vqgan, ...settings);
  t.deepEqual(model, (await readConfig(made.vqgan)).model);
  t.like(data, { size: 16, path: 'scenes' });
  t.like(training, { from: made.vqgan, freeze: 'encoder,quantizer' });
  t.true(existsSync(join(run, 'start-codes.npy')));
  const weights = async (of: string) => (await loadCheckpoint(weightsOf(await newestCheckpoint(of)))).tensors;
  const [before, after] = [await weights(made.vqgan), await weights(run)];
  for (const [key, isKept] of [
    ['encoder.conv_in.weight', true],
    ['quantize.embedding.weight', true],
    ['decoder.conv_out.weight', false],
  ] as const) {
    t.is(after.get(key)!.equal(before.get(key)!), isKept, key);
    t.true(after.get(key)!.allclose(before.get(key)!, 0, 0.01), 'one step from its weights');
  }
});

test.serial('a transformer that begins with a run has its first stage, without --vqgan', async (t) => {
  const { model, training } = await trained(t, 'transformer', '--from', made.transformer);
  t.is(training.vqgan, undefined);
  t.like(model.params, { first_stage_config: { target: 'taming.models.vqgan.VQModel' } });
});

test.serial('a file without a configuration, and a run of the other stage, are refused', async (t) => {
  const file = weightsOf(await newestCheckpoint(made.vqgan));
  await t.throwsAsync(trained(t, 'vqgan', '--from', file), {
    message: /name its YAML file with -c, or .*import/,
  });
  await t.throwsAsync(trained(t, 'vqgan', '--from', made.transformer), {
    message: /is the run of a transformer; name the run of a vqgan/,
  });
  await t.throwsAsync(trained(t, 'transformer', '--from', made.vqgan), {
    message: /is the run of a vqgan; name/,
  });
});
