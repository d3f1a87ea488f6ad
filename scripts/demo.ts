// The whole road in about nine minutes on two cores: draws landscapes, trains both stages on them with the two
// training scripts, and leaves held-out reconstructions, samples and loss curves in one folder.
import { Interrupted, readArguments, runScript, UsageError } from './command-line.js';
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sceneSplits, writeScenes } from 'tessera-torch';
import { trainTransformer } from './train-transformer.js';
import { trainVqgan } from './train-vqgan.js';

const usage = `usage: npm run demo [-- --minutes M] [--out FOLDER] [--scenes N]
  --minutes  time for training both stages, default 8
  --out      folder for the results, default demo-output; an older demo's results there are replaced
  --scenes   number of pictures to train on, default 3000`;

async function demo(out: string, minutes: number, count: number): Promise<boolean> {
  const folder = `${out}.partial-${process.pid}`;
  const at = (...names: string[]) => join(folder, ...names);
  let interrupted = false;
  try {
    await mkdir(folder, { recursive: true });
    console.log(`drawing ${count} scenes to train on and 32 to hold out`);
    await writeScenes(at('scenes'), { seed: sceneSplits.train, count, width: 64 });
    await writeScenes(at('held-out'), { seed: sceneSplits.validation, count: 32, width: 64 });

    const data = { images: at('scenes'), heldOut: at('held-out') };
    interrupted = await trainVqgan({ ...data, out: at('vqgan'), minutes: 0.62 * minutes });
    if (!interrupted) {
      const stage2 = { ...data, vqgan: at('vqgan'), out: at('transformer') };
      interrupted = await trainTransformer({ ...stage2, minutes: 0.38 * minutes });
    }
    await writeCurves(folder);
    await rm(out, { recursive: true, force: true });
    await rename(folder, out);
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
  console.log(`\nresults in ${out}:
  vqgan/reconstructions.png   held-out scenes (rows 1 and 3) and what the VQGAN makes of them (rows 2 and 4)
  transformer/samples.png     new landscapes
  curves.csv                  losses of both stages over time`);
  return interrupted;
}

/** The metrics of both stages in one table. */
async function writeCurves(folder: string): Promise<void> {
  const columns = [
    'step',
    'seconds',
    'rec',
    'vq',
    'gan',
    'disc',
    'weight',
    'psnr',
    'codes',
    'loss',
    'heldOutLoss',
  ];
  const rows = [['stage', ...columns].join(',')];
  for (const stage of ['vqgan', 'transformer']) {
    const text = await readFile(join(folder, stage, 'metrics.jsonl'), 'utf8').catch(() => '');
    for (const line of text.split('\n').filter(Boolean)) {
      const record = JSON.parse(line) as Record<string, number>;
      rows.push([stage, ...columns.map((column) => record[column] ?? '')].join(','));
    }
  }
  await writeFile(join(folder, 'curves.csv'), `${rows.join('\n')}\n`);
}

await runScript(import.meta.url, usage, async (argv) => {
  const { folder, text, number, integer } = readArguments(argv, ['minutes', 'out', 'scenes']);
  if (folder !== undefined) throw new UsageError(`unexpected argument "${folder}"`);
  const out = text('out') ?? 'demo-output';
  // An earlier demo's results give way, nothing else.
  if (existsSync(out) && !existsSync(join(out, 'curves.csv'))) {
    throw new Error(`${out} exists and holds no results of a demo: name another --out`);
  }
  const interrupted = await demo(out, number('minutes') ?? 8, integer('scenes') ?? 3000);
  if (interrupted) throw new Interrupted();
});
