import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { writeReport } from '../../src/reports/index.js';
import { RunError } from '../../src/runs/error.js';
import { readConfig, writeEnvironment } from '../../src/runs/folder.js';
import { openRun } from '../../src/runs/open.js';
import { Run } from '../../src/runs/run.js';
import { TransformerTrainer } from '../../src/training/transformer-trainer.js';
import { images, temporaryFolder, transformerConfig } from '../training/tiny.js';

function runWith(folder: string, environment: string): string {
  const run = join(folder, 'run');
  mkdirSync(run);
  writeFileSync(join(run, 'config.yaml'), 'stage: vqgan\nmodel: {}\ndata: {}\ntraining: {}\n');
  writeFileSync(join(run, 'environment.json'), environment);
  return run;
}

test('a run of a newer format is refused by name, whatever it is opened for', async (t) => {
  const folder = temporaryFolder(t);
  const run = runWith(folder, '[{ "time": "then" }, { "format": 2 }]');
  const refused = {
    instanceOf: RunError,
    message: `${run} was written by a newer tessera-torch (format 2); this version reads format 1: update tessera-torch`,
  };
  await t.throwsAsync(openRun(run, 'vqgan'), refused);
  await t.throwsAsync(Run.open(run, 'vqgan', { resume: undefined }), refused);
  await t.throwsAsync(writeReport(run), refused);
  const second = TransformerTrainer.create(transformerConfig(run), {
    run: join(folder, 'second'),
    images: images(),
  });
  await t.throwsAsync(second, refused);
});

for (const [what, environment] of [
  ['of a version that wrote no number', '[{ "time": "then" }]'],
  ['of this format', '[{ "format": 1 }]'],
  ['whose environment.json is damaged', '[{ "form'],
] as const) {
  test(`a run ${what} is read`, async (t) => {
    const run = runWith(temporaryFolder(t), environment);
    t.is((await readConfig(run)).stage, 'vqgan');
  });
}

test('every start records the format', async (t) => {
  const run = temporaryFolder(t);
  await writeEnvironment(run, {});
  await writeEnvironment(run, {});
  const starts = JSON.parse(readFileSync(join(run, 'environment.json'), 'utf8')) as { format: number }[];
  t.deepEqual(
    starts.map(({ format }) => format),
    [1, 1],
  );
});
