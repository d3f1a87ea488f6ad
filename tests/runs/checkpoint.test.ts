import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import * as torch from '../../src/torch/index.js';
import {
  bestCheckpoint,
  listCheckpoints,
  newestCheckpoint,
  pruneCheckpoints,
  writeCheckpoint,
} from '../../src/runs/checkpoint.js';
import { RunError, writeError } from '../../src/runs/error.js';
import { appendMetrics, readConfig, readMetrics } from '../../src/runs/folder.js';
import { failing } from '../without-links.js';
import { temporaryFolder } from '../training/tiny.js';

const save = (run: string, step: number, psnr: number) => {
  const weights = new Map([['weight', torch.full([4], step)]]);
  return writeCheckpoint(run, { step, metrics: { psnr } }, { model: weights, optimizer: new Map() });
};
const stepsOf = (run: string) => listCheckpoints(run).map(({ step }) => step);

test('the newest checkpoint that verifies is used', async (t) => {
  const run = temporaryFolder(t);
  await t.throwsAsync(newestCheckpoint(run), {
    instanceOf: RunError,
    message: /before its first one. Start a new run/,
  });
  for (const step of [0, 5, 10, 15, 20]) await save(run, step, step);
  const at = (step: number, file: string) => join(listCheckpoints(run)[step / 5]!.path, file);
  // Cut short; a changed byte; a missing file; an unreadable state: each is passed over.
  truncateSync(at(20, 'model.safetensors'), 20);
  const bytes = readFileSync(at(15, 'model.safetensors'));
  bytes[bytes.length - 1]! ^= 1;
  writeFileSync(at(15, 'model.safetensors'), bytes);
  rmSync(at(10, 'optimizer.safetensors'));
  writeFileSync(at(5, 'state.json'), '{"step":5,');
  t.is((await newestCheckpoint(run)).step, 0);
  rmSync(at(0, 'model.safetensors'));
  const error = await t.throwsAsync(newestCheckpoint(run), { instanceOf: RunError });
  t.regex(error.message, /step-0000015: the content of model\.safetensors has changed/);
  await save(run, 20, 1);
  t.is((await newestCheckpoint(run)).step, 20, 'a damaged checkpoint is replaced');
});

test('the newest few and the best one are kept', async (t) => {
  const run = temporaryFolder(t);
  const measure = { name: 'psnr', better: 'higher' } as const;
  for (const [step, psnr] of [
    [1, 10],
    [2, 30],
    [3, 20],
    [4, 25],
    [5, 21],
  ] as const) {
    await save(run, step, psnr);
    await pruneCheckpoints(run, step, 2, measure);
  }
  t.deepEqual(stepsOf(run), [2, 4, 5]);
  t.is(bestCheckpoint(run, measure)?.step, 2);
  t.is(bestCheckpoint(run, { name: 'psnr', better: 'lower' })?.step, 5);
});

test('a checkpoint that cannot be written leaves nothing behind and says what to do', async (t) => {
  const run = temporaryFolder(t);
  await save(run, 1, 0);
  const full = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
  t.regex(
    (writeError('runs/a', full, 'Make room.') as Error).message,
    /^runs\/a: no space is left on the disk\. Make room/,
  );
  // A file where the folder has to be.
  mkdirSync(join(run, 'other'));
  writeFileSync(join(run, 'other', 'checkpoints'), '');
  await t.throwsAsync(save(join(run, 'other'), 1, 0));
  t.deepEqual(stepsOf(run), [1]);
});

test('metrics of a resumed run replace those done before', (t) => {
  const run = temporaryFolder(t);
  for (const step of [1, 2, 3]) appendMetrics(run, { step, loss: step });
  writeFileSync(
    join(run, 'metrics.jsonl'),
    `${readFileSync(join(run, 'metrics.jsonl'), 'utf8')}{"step":4,"lo`,
  );
  appendMetrics(run, { step: 2, resumed: true });
  appendMetrics(run, { step: 3, loss: 30 });
  t.deepEqual(readMetrics(run), [
    { step: 1, loss: 1 },
    { step: 2, loss: 2 },
    { step: 3, loss: 30 },
  ]);
});

test('a folder that is not a run is distinguished from one that does not exist', async (t) => {
  const run = temporaryFolder(t);
  await t.throwsAsync(readConfig(run), { message: /is not a run: it has no config\.yaml/ });
  await t.throwsAsync(readConfig(join(run, 'none')), { message: /there is no run at/ });
});

for (const code of ['ENOSYS', 'EINVAL', 'ENOTSUP', 'EPERM']) {
  test.serial(`checkpoints are written where syncing fails with ${code}`, async (t) => {
    const run = temporaryFolder(t);
    failing(t, 'fsync', code);
    await save(run, 5, 20);
    t.is((await newestCheckpoint(run)).step, 5);
  });
}

test.serial('a disk that reports an error while syncing is one', async (t) => {
  failing(t, 'fsync', 'EIO');
  await t.throwsAsync(save(temporaryFolder(t), 5, 20), { message: /the disk reports an error/ });
});

for (const code of ['EXDEV', 'ENOSYS', 'EPERM']) {
  test.serial(`a checkpoint's folder that cannot be moved (${code}) is replaced and pruned`, async (t) => {
    const run = temporaryFolder(t);
    for (const step of [0, 5, 10]) await save(run, step, step);
    failing(t, 'rename', code, (path) => /step-\d+$/.test(String(path)));
    await save(run, 10, 11);
    await pruneCheckpoints(run, 10, 1, { name: 'psnr', better: 'higher' });
    t.deepEqual(stepsOf(run), [10]);
    t.is((await newestCheckpoint(run)).state.metrics['psnr'], 11);
  });
}

test.serial('a file system that renames no files is named, with the way out', async (t) => {
  failing(t, 'rename', 'ENOSYS');
  await t.throwsAsync(save(temporaryFolder(t), 5, 20), {
    message:
      /its file system does not support this operation \(rename: ENOSYS\); use a folder on another file system/,
  });
});
