// End-to-end demo, ten minutes on two cores: draws landscapes, trains both stages on them, measures both on held-out
// landscapes, samples new ones, and writes a report page.
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as tessera from 'tessera-torch';
import { parse } from 'yaml';
import { metricRows, writeDemoPage } from './landscapes-page.js';
import { fail, follow, say, seconds } from './terminal.js';

const usage = `usage: npm run demo [-- --minutes M] [--out FOLDER] [--count N]
  --minutes  time for training both stages, default 8; the rest takes less than two minutes
  --out      folder for everything, default demo-output; an earlier demo there is replaced
  --count    landscapes to draw, default 3328, of which 128 are held out`;

// Generator, seed and held-out landscapes are fixed before any training.
const scenes = { path: 'scenes', size: 64, seed: 1, heldOut: 128 };
/** Share of the time for the first stage. */
const firstShare = 0.6;

/** Runs the demo with the arguments of the command line. */
export async function landscapes(args: readonly string[]): Promise<void> {
  const { out, minutes, count } = readArguments(args);
  const { signal, release } = tessera.interruptible();

  say(`drawing ${count} landscapes; ${scenes.heldOut} of them are held out`);
  const folder = join(out, 'landscapes');
  await tessera.packImages({ ...scenes, count }, folder, { signal });

  say('first stage: learns to encode a landscape as 16 × 16 codes out of 256');
  const first = join(out, 'vqgan');
  const vqgan = await follow(
    await tessera.VqganTrainer.create(preset('vqgan-small', folder, { minutes: firstShare * minutes }), {
      run: first,
    }),
    signal,
  );

  if (!vqgan.interrupted) {
    say('second stage: learns which codes go together');
    const second = join(out, 'transformer');
    const length = { minutes: (1 - firstShare) * minutes, vqgan: first };
    const transformer = await follow(
      await tessera.TransformerTrainer.create(preset('transformer-small', folder, length), { run: second }),
      signal,
    );
    if (!transformer.interrupted)
      await finish(out, [first, second], { ...vqgan.metrics, ...transformer.metrics });
  }
  release();
  if (signal.aborted) {
    console.log(`stopped; everything so far is in ${out}`);
    process.exitCode = 130;
  }
}

async function finish(
  out: string,
  [firstRun, secondRun]: readonly [string, string],
  metrics: Record<string, number>,
): Promise<void> {
  say('drawing images for the page');
  const page = await writeDemoPage(out, { firstRun, secondRun, metrics, seconds });
  console.log();
  for (const { name, value, note = '', reached } of metricRows(metrics)) {
    const mark = reached === undefined ? ' ' : reached ? '✓' : '✗';
    console.log(`${mark} ${name.padEnd(46)} ${value.padStart(10)}  ${note}`);
  }
  say(`done; open ${page}`);
}

/** Returns a preset with the packed landscapes as images and the given training settings. */
function preset(name: string, folder: string, training: { minutes: number; vqgan?: string }): object {
  const text = readFileSync(new URL(`../../src/cli/presets/${name}.yaml`, import.meta.url), 'utf8');
  const config = parse(text) as { model: object; training: object };
  const data = { path: folder, size: scenes.size, heldOut: scenes.heldOut };
  return { model: config.model, data, training: { ...config.training, ...training } };
}

function readArguments(args: readonly string[]): { out: string; minutes: number; count: number } {
  const text = { type: 'string' } as const;
  let values;
  try {
    const options = { minutes: text, out: text, count: text, help: { type: 'boolean', short: 'h' } } as const;
    ({ values } = parseArgs({ args: [...args], options }));
  } catch (error) {
    return fail(2, `${(error as Error).message}\n\n${usage}`);
  }
  if (values.help) {
    console.log(usage);
    process.exit(0);
  }
  const given = {
    out: values.out ?? 'demo-output',
    minutes: Number(values.minutes ?? 8),
    count: Number(values.count ?? 3328),
  };
  if (!(given.minutes > 0))
    return fail(2, `--minutes must be a number above 0, not ${values.minutes}\n\n${usage}`);
  if (!Number.isSafeInteger(given.count) || given.count < 2 * scenes.heldOut) {
    return fail(
      2,
      `--count must be an integer of at least ${2 * scenes.heldOut}, not ${values.count}\n\n${usage}`,
    );
  }
  // Replaces an earlier demo, but no other folder.
  if (existsSync(given.out) && !existsSync(join(given.out, 'landscapes'))) {
    return fail(1, `error: ${given.out} exists and does not contain a demo; name another folder with --out`);
  }
  rmSync(given.out, { recursive: true, force: true });
  mkdirSync(given.out, { recursive: true });
  return given;
}
