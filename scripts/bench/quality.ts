/**
 * `npm run bench -- quality [options]`: quality of a first stage at equal steps. Trains `vqgan-small` as it is committed
 * (schedule, restarts of codes, one-pass step) and, in plain PyTorch, the published code's loop (quality_arm.py: two
 * forwards, a constant learning rate) with the same model, discriminator, start of the discriminator, initial weights and
 * batch size on the same 64 × 64 scenes, without LPIPS in either. Each arm takes the best of several learning rates, by
 * PSNR on the first seed, and both are then compared by the mean of several seeds on the same held-out scenes. Both
 * are measured by the same code. Ours is also measured with the moving average of its weights.
 *
 *     --steps 1500             of each run, in batches of 8
 *     --seeds 3                number of seeds
 *     --rates 3e-4,1e-3,3e-3   learning rates to choose from
 *     --images 3328            scenes to draw, 128 of which are held out
 *     --only ours              train one arm: `ours` or `theirs`
 *     --folder DIR             state, default bench-results/quality
 *
 * What is finished is kept in the folder: the same command goes on after an interruption, and a run that was cut off
 * starts over. TESSERA_PYTHON names the Python with PyTorch. Exits with 1 if ours is below in PSNR, perplexity or distinct
 * codes, or if the first losses of the arms differ; with 2 for options that cannot be used. The defaults are 10 runs.
 */
import { spawn } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openImages, packImages, savePytorch, torch, type ImageSource } from 'tessera-torch';
import { parse } from 'yaml';
import { python } from './arms.js';
import {
  measure,
  nameOf,
  Records,
  type ArmName,
  type Finished,
  type Losses,
  type Quality,
  type Request,
  type Run,
} from './quality-runs.js';
import { verdict } from './quality-table.js';

const batch = 8;
const heldOut = 128;
const size = 64;
const options = readOptions();
const records = new Records(options.folder);
const threads = availableParallelism();
const arms: ArmName[] = options.only ? [options.only] : ['ours', 'theirs'];
const codes = writeModel();

function readOptions() {
  const text = { type: 'string' } as const;
  const given = { steps: text, seeds: text, rates: text, images: text, only: text, folder: text };
  const { values } = parseArgs({ options: given });
  const read = {
    steps: Number(values.steps ?? 1500),
    seeds: Number(values.seeds ?? 3),
    images: Number(values.images ?? 3328),
    rates: (values.rates ?? '3e-4,1e-3,3e-3').split(',').map(Number),
    only: values.only as ArmName | undefined,
    folder: values.folder ?? 'bench-results/quality',
  };
  const least = { steps: 1, seeds: 1, images: 2 * heldOut };
  for (const [name, value] of Object.entries(least)) {
    if (Number.isSafeInteger(read[name as keyof typeof least]) && read[name as keyof typeof least] >= value)
      continue;
    end(
      2,
      `--${name} must be a whole number of at least ${value}, got ${values[name as keyof typeof least]}`,
    );
  }
  if (!read.rates.every((rate) => rate > 0)) end(2, `--rates must be numbers above 0, got ${values.rates}`);
  if (read.only !== undefined && !['ours', 'theirs'].includes(read.only)) {
    end(2, `--only must be ours or theirs, got ${values.only}`);
  }
  return read;
}

function end(code: number, message: string): never {
  console.error(`quality: ${message}`);
  process.exit(code);
}

/** Writes the preset's model for the other arm. Returns its number of codes. */
function writeModel(): number {
  const path = new URL('../../src/cli/presets/vqgan-small.yaml', import.meta.url);
  const { model, training } = parse(readFileSync(path, 'utf8')) as {
    model: { params: { n_embed: number } };
    training: { discriminatorFrom: number };
  };
  const params = { ...model.params, disc_from: training.discriminatorFrom };
  writeFileSync(records.path('model.json'), JSON.stringify(params, null, 2));
  return model.params.n_embed;
}

/** Draws the scenes, and writes their pixels for both arms. */
async function prepareImages(): Promise<void> {
  if (records.read('images')) return;
  console.log(`drawing ${options.images} scenes`);
  const path = records.path('packed');
  await packImages({ path: 'scenes', size, seed: 1, count: options.images, heldOut }, path, {
    overwrite: true,
  });
  const images = await openImages({ path, size });
  const pixelsOf = async (source: ImageSource) => {
    const bytes = await source.readBytes([...Array(source.length).keys()]);
    return torch.scope(() =>
      torch.tensor(bytes).view([-1, size, size, 3]).permute([0, 3, 1, 2]).contiguous(),
    );
  };
  const pixels = { train: await pixelsOf(images.train), heldOut: await pixelsOf(images.heldOut) };
  await savePytorch(records.path('images.pt'), pixels);
  records.write('images', { train: images.train.length, heldOut: images.heldOut.length });
  await images.close();
}

/** Starts an arm with a request and returns its answer; `onStep` hears of its progress. */
async function ask<T>(
  arm: ArmName,
  asked: Partial<Request>,
  onStep: (step: number) => void = () => {},
): Promise<T> {
  const out = records.path('running');
  rmSync(out, { recursive: true, force: true });
  const request = { folder: records.folder, out, steps: options.steps, batch, threads, ...asked };
  const file = (name: string) => fileURLToPath(new URL(name, import.meta.url));
  const [command, args] =
    arm === 'ours'
      ? [process.execPath, ['--import=tsx', file('quality-arm.ts')]]
      : [python, [file('quality_arm.py')]];
  const child = spawn(command, [...args, JSON.stringify(request)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const failed = new Promise<never>((_, reject) => child.on('error', reject));
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  let answer: unknown;
  const read = async () => {
    for await (const line of createInterface({ input: child.stdout })) {
      answer = JSON.parse(line) as unknown;
      const { step } = answer as { step?: number };
      if (step !== undefined) onStep(step);
    }
    return ended;
  };
  const code = await Promise.race([read(), failed]);
  if (code !== 0) throw new Error(`${command} ended with code ${code} before it answered`);
  return answer as T;
}

/** Makes a seed's initial weights, and checks that both arms begin with the same losses. */
async function prepareSeed(seed: number): Promise<void> {
  const name = `initial-seed${seed}`;
  if (records.read(name)) return;
  const request = { ask: 'initial', seed } as const;
  const ours = await ask<Losses>('ours', request);
  const theirs = await ask<Losses>('theirs', request);
  for (const [loss, value] of Object.entries(ours)) {
    const other = theirs[loss as keyof Losses];
    console.log(
      `seed ${seed}, first batch: ${loss.padEnd(14)}${value.toPrecision(6)} and ${other.toPrecision(6)}`,
    );
    if (Math.abs(value - other) <= 1e-3 * Math.abs(other) + 1e-6) continue;
    end(1, `the arms do not begin alike: ${loss} is ${value} in ours and ${other} in theirs`);
  }
  records.write(name, { ours, theirs });
}

let done = 0;
const spent: Record<ArmName, number[]> = { ours: [], theirs: [] };

/** Returns the minutes that are left while a run has taken `seconds` for a `share` of its steps. */
function minutesLeft(arm: ArmName, share: number, seconds: number): number {
  const present = seconds / share;
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const timeOf = (name: ArmName) =>
    spent[name].length > 0
      ? mean(spent[name])
      : name === arm
        ? present
        : present * (arm === 'ours' ? 1.5 : 1 / 1.5);
  const perArm = options.rates.length + options.seeds - 1;
  const left = arms.map((name) => timeOf(name) * (perArm - spent[name].length));
  return (left.reduce((sum, value) => sum + value, 0) - seconds) / 60;
}

/** Trains, unless that was done before. */
async function train(run: Run): Promise<Finished> {
  const { arm } = run;
  const name = nameOf(run);
  const total = arms.length * (options.rates.length + options.seeds - 1);
  const before = records.read<Finished>(name);
  const begun = performance.now();
  let said = begun;
  const onStep = (step: number) => {
    if (performance.now() - said < 20_000) return;
    said = performance.now();
    const seconds = (said - begun) / 1000;
    const left = minutesLeft(arm, step / options.steps, seconds).toFixed(0);
    console.log(
      `  step ${step} of ${options.steps}, ${((1000 * seconds) / step).toFixed(0)} ms a step, ${left} min left in all`,
    );
  };
  if (!before) console.log(`${name}: run ${done + 1} of ${total}`);
  const finished = before ?? (await trainedBy(run, onStep));
  if (!before) records.write(name, finished);
  done++;
  spent[arm].push(finished.seconds);
  const { psnr, perplexity, used } = finished.quality;
  console.log(
    `${name}: ${psnr.toFixed(2)} dB, perplexity ${perplexity.toFixed(1)}, ${used} codes, ${finished.seconds.toFixed(0)} s` +
      (before ? ' (done before)' : ''),
  );
  return finished;
}

async function trainedBy(run: Run, onStep: (step: number) => void): Promise<Finished> {
  const begun = performance.now();
  await ask(run.arm, { ask: 'train', ...run }, onStep);
  const seconds = (performance.now() - begun) / 1000;
  const quality = await measure(records, 'running/trained.pt', codes);
  const averaged: { averaged?: Quality } =
    run.arm === 'ours' ? { averaged: await measure(records, 'running/averaged.pt', codes) } : {};
  rmSync(records.path('running'), { recursive: true, force: true });
  return { ...run, seconds, quality, ...averaged };
}

try {
  records.settle({ steps: options.steps, images: options.images });
} catch (error) {
  end(2, (error as Error).message);
}
await prepareImages();
const seeds = Array.from({ length: options.seeds }, (_, i) => i + 1);
const first = seeds[0]!;
await prepareSeed(first);
const tried: Finished[] = [];
for (const rate of options.rates) for (const arm of arms) tried.push(await train({ arm, rate, seed: first }));
const chosen = new Map<ArmName, Finished[]>();
for (const arm of arms) {
  const best = tried
    .filter((run) => run.arm === arm)
    .reduce((a, b) => (b.quality.psnr > a.quality.psnr ? b : a));
  chosen.set(arm, [best]);
}
for (const seed of seeds.slice(1)) {
  await prepareSeed(seed);
  for (const [arm, runs] of chosen) runs.push(await train({ arm, rate: runs[0]!.rate, seed }));
}
process.exitCode = verdict(chosen, tried, options.rates);
