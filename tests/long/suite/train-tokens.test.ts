import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { readMetrics } from '../../../src/runs/folder.js';
import { TokenSet } from '../../../src/tokenizer/token-set.js';
import { encoded } from '../../tokenizer/token-sets.js';
import { VqganTrainer } from '../../../src/training/vqgan-trainer.js';
import { temporaryFolder, vqganConfig } from '../../training/tiny.js';
import { trained } from '../../cli/trained.js';

test.serial('built-in images keep their split and classes as tokens, and train alike', async (t) => {
  const vqgan = join(temporaryFolder(t), 'vqgan');
  const scenes = { path: 'scenes', size: 16, count: 24, heldOut: 4 };
  await (await VqganTrainer.create({ ...vqganConfig(), data: scenes }, { run: vqgan })).close();
  const tokens = await encoded(vqgan, 'scenes', { out: join(temporaryFolder(t), 'tokens'), views: 1 });
  const flags = [
    '--vqgan',
    vqgan,
    '-c',
    'classes',
    'training.precision=float32',
    'data.flip=false',
    'training.samples=1',
  ];
  const ofImages = await trained(t, 'transformer', ...flags);
  const ofTokens = await trained(t, 'transformer', ...flags, '--data', tokens, '--steps', '1');
  const measured = (run: string) => {
    const { step, losses, metrics } = readMetrics(run).at(0)! as {
      step: number;
      losses: unknown;
      metrics: { heldOutLoss: number };
    };
    return { step, losses, metrics };
  };
  t.true(Number.isFinite(measured(ofTokens.run).metrics.heldOutLoss));
  t.deepEqual(measured(ofTokens.run), measured(ofImages.run));
  t.is(ofTokens.data.path, tokens);
  t.deepEqual(
    readdirSync(join(ofTokens.run, 'images')).map((name) => name.split('-0')[0]),
    ['samples'],
  );
});

test.serial('a set of built-in images of which none is held out holds out none', async (t) => {
  const vqgan = join(temporaryFolder(t), 'vqgan');
  const scenes = { path: 'scenes', size: 16, count: 6, heldOut: 0 };
  await (await VqganTrainer.create({ ...vqganConfig(), data: scenes }, { run: vqgan })).close();
  using tokens = await TokenSet.open(
    await encoded(vqgan, 'scenes', { out: join(temporaryFolder(t), 'tokens'), views: 1 }),
  );
  t.deepEqual(tokens.divide(2), { train: [0, 1, 2, 3, 4, 5], heldOut: [] });
});
