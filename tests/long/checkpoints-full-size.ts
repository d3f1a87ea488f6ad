/**
 * `npm run test:long -- checkpoints-full-size [--folder DIR] [--config NAME] [--rounds N]`: makes a checkpoint with
 * the keys of a published transformer (1.49 billion float32 parameters, 6 GB, removed afterwards) and loads it into the
 * model, here and in Python, in turn, each time in a process of its own: time, peak of resident memory, and the time to
 * list the keys. TESSERA_PYTHON, else `python3`, has torch. Caches are warm, then cold.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { modelFromConfig } from '../../src/models/registry/from-config.js';
import type { ModelConfig } from '../../src/models/registry/from-config.js';
import { itemSize } from '../../src/torch/index.js';
import { loadCheckpoint } from '../../src/torch/io/index.js';

const SELF = fileURLToPath(import.meta.url);
const PYTHON_ARM = fileURLToPath(new URL('checkpoints_full_size.py', import.meta.url));
const KEYS = new URL('../fixtures/golden/state-dict-keys.json.gz', import.meta.url);

interface Known {
  config: ModelConfig;
  keys: [string, number[], string][];
}

interface Result {
  seconds: number;
  peak: number;
  before: number;
  model: number;
  listing?: number;
  sum?: string;
}

function known(name: string): Known {
  const all = JSON.parse(gunzipSync(readFileSync(KEYS)).toString()) as Record<
    string,
    Record<string, unknown>
  >;
  const found = all[name];
  if (found === undefined) throw new Error(`${name} is none of ${Object.keys(all).join(', ')}`);
  return {
    config: found['config'] as ModelConfig,
    keys: Object.values(found).find(Array.isArray) as Known['keys'],
  };
}

function resident(field: 'VmHWM' | 'VmRSS'): number {
  return (
    Number(new RegExp(`${field}:\\s+(\\d+)`).exec(readFileSync('/proc/self/status', 'utf8'))?.[1]) * 1024
  );
}

/** The arm of this project. */
async function load(path: string, name: string): Promise<void> {
  const model = modelFromConfig(known(name).config, { init: false });
  const before = resident('VmRSS');
  const start = performance.now();
  const checkpoint = await loadCheckpoint(path);
  model.loadStateDict(checkpoint.tensors);
  const seconds = (performance.now() - start) / 1000;
  const peak = resident('VmHWM');
  checkpoint.close();
  const again = performance.now();
  const listed = await loadCheckpoint(path);
  const count = [...listed.tensors.keys()].length;
  const listing = (performance.now() - again) / 1000;
  listed.close();
  if (count === 0) throw new Error('no keys');
  let bytes = 0;
  for (const tensor of model.stateDict().values()) bytes += tensor.numel() * itemSize[tensor.dtype];
  console.log(JSON.stringify({ seconds, peak, before, model: bytes, listing }));
}

function run(command: string, args: string[], cold: boolean, path: string): Result {
  // Drops the file's own pages, nobody else's; or reads them all in.
  if (cold)
    execFileSync('dd', [`of=${path}`, 'oflag=nocache', 'conv=notrunc,fdatasync', 'count=0'], {
      stdio: 'ignore',
    });
  else execFileSync('dd', [`if=${path}`, 'of=/dev/null', 'bs=16M'], { stdio: 'ignore' });
  const { stdout, stderr, status } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command}: ${stderr}`);
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as Result;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}

function main(): void {
  const { values } = parseArgs({
    options: {
      folder: { type: 'string', default: tmpdir() },
      config: { type: 'string', default: 'cin_transformer' },
      rounds: { type: 'string', default: '3' },
      cold: { type: 'string', default: '1' },
      keep: { type: 'boolean', default: false },
    },
  });
  const python = process.env['TESSERA_PYTHON'] ?? 'python3';
  const { folder, config, keep } = values;
  const path = join(folder, `${config}.ckpt`);
  const keys = join(folder, `${config}.keys.json`);
  try {
    if (!existsSync(path)) {
      writeFileSync(keys, JSON.stringify(known(config).keys));
      execFileSync(python, [PYTHON_ARM, 'make', keys, path], { stdio: 'inherit' });
    }
    console.log(`${config}: ${(statSync(path).size / 1e9).toFixed(2)} GB, ${known(config).keys.length} keys`);
    const arms: [string, string, string[]][] = [
      ['tessera', process.execPath, [...process.execArgv, SELF, 'load', path, config]],
      ['torch.load', python, [PYTHON_ARM, 'load', path]],
      ['torch.load mmap', python, [PYTHON_ARM, 'load', path, 'mmap']],
    ];
    let wrong = 0;
    for (const [caches, rounds] of [
      ['warm', Number(values.rounds)],
      ['cold', Number(values.cold)],
    ] as const) {
      const results = new Map<string, Result[]>(arms.map(([name]) => [name, []]));
      for (let round = 0; round < rounds; round++) {
        for (const [name, command, args] of arms)
          results.get(name)!.push(run(command, args, caches === 'cold', path));
      }
      for (const [name, list] of rounds > 0 ? results : []) {
        const seconds = list.map((result) => result.seconds);
        const { peak, model, listing } = list[0]!;
        console.log(
          `${caches} ${name}: ${median(seconds).toFixed(2)} s (${seconds.map((s) => s.toFixed(2)).join(', ')}), ` +
            `peak ${(peak / 1e6).toFixed(0)} MB, model ${(model / 1e6).toFixed(0)} MB` +
            (listing === undefined ? '' : `, keys listed in ${(listing * 1000).toFixed(0)} ms`),
        );
        if (name === 'tessera' && (peak > 1.1 * model + 300e6 || listing! > 0.3)) wrong += 1;
      }
      const [own, other] = ['tessera', 'torch.load'].map((name) =>
        results.get(name)!.map(({ seconds }) => seconds),
      );
      if (rounds > 0) {
        console.log(`${caches}: ${(median(own!) / median(other!)).toFixed(2)} of torch.load's time`);
        if (median(own!) >= median(other!)) wrong += 1;
      }
    }
    process.exitCode = wrong === 0 ? 0 : 1;
  } finally {
    rmSync(keys, { force: true });
    if (!keep) rmSync(path, { force: true });
  }
}

const [first, path, name] = process.argv.slice(2);
if (first === 'load') await load(path!, name!);
else main();
