import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Command } from 'commander';
import { trainCommand } from '../../src/cli/commands/train/command.js';
import { newestCheckpoint, weightsOf } from '../../src/runs/checkpoint.js';
import { readConfig } from '../../src/runs/folder.js';
import { runs } from '../tokenizer/tokenizers.js';
import { temporaryFolder } from '../training/tiny.js';

let made: Awaited<ReturnType<typeof runs>>;
test.before(async () => {
  made = await runs();
});
test.after.always(() => made.remove());

const scenes = [
  '--data',
  'scenes',
  'data.count=24',
  'data.heldOut=4',
  '--steps',
  '1',
  'training.batchSize=2',
];

/** Trains in this process and returns the run's configuration. */
async function trained(t: ExecutionContext, ...args: string[]) {
  const out = temporaryFolder(t);
  const settings = [
    ...scenes,
    'training.device=cpu',
    'training.threads=1',
    '--quiet',
    '--out',
    out,
    '--name',
    'new',
  ];
  const command = trainCommand(new Command('train'));
  await command.parseAsync([...args, ...settings], { from: 'user' });
  return { ...(await readConfig(join(out, 'new'))), run: join(out, 'new') };
}

test.serial('a VQGAN that begins with a run takes its model and the size of its images', async (t) => {
  const settings = ['training.lpips=off', '--freeze', 'encoder,quantizer'];
  const { model, data, training, run } = await trained(t, 'vqgan', '--from', made.vqgan, ...settings);
  t.deepEqual(model, (await readConfig(made.vqgan)).model);
  t.like(data, { size: 16, path: 'scenes' });
  t.like(training, { from: made.vqgan, freeze: 'encoder,quantizer' });
  t.true(existsSync(join(run, 'start-codes.npy')));
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
