/**
 * `npm run test:long -- checkpoints [files]`: damaged and malicious checkpoints (10,000 by default, seeded) neither crash,
 * hang nor fill memory, nor run anything. Each ends in a typed error that names the place, or in a load whose names,
 * shapes and dtypes are the whole file's, unless what was changed is a description without a checksum (the header of
 * safetensors, the pickle of the old format, a pickle whose checksum was made right again): no reader can tell then.
 */
import { fork } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as torch from '../../src/torch/index.js';
import { loadCheckpoint, saveSafetensors } from '../../src/torch/io/index.js';
import { attacks, randomPickle } from './checkpoint-attacks.js';
import { damaged, Random, repacked } from './checkpoint-damage.js';
import type { Attack } from './checkpoint-damage.js';

const FILES = 10_000;
const SECONDS = 5;
const ROOM = 64 * 2 ** 20;
const SELF = fileURLToPath(import.meta.url);
const WHOLE = fileURLToPath(new URL('../fixtures/checkpoints/', import.meta.url));

interface Outcome {
  index: number;
  name: string;
  /** `error`, `same`, `other` (a load that differs, undetectably), or what went wrong. */
  kind: string;
  problem?: string;
  seconds: number;
  bytes: number;
  room: number;
  detail?: string;
}

/** Names, shapes and dtypes. */
type Description = string;

async function describe(path: string): Promise<Description> {
  const checkpoint = await loadCheckpoint(path);
  try {
    const keys = [...checkpoint.all.keys()];
    const description = JSON.stringify(keys.map((key) => [key, checkpoint.all.info(key)]));
    torch.scope(() => void checkpoint.all.getMany(keys));
    for (const key of keys) torch.scope(() => void checkpoint.all.get(key));
    return description;
  } finally {
    checkpoint.close();
  }
}

interface Whole {
  name: string;
  bytes: Buffer;
  description: Description;
}

async function wholeFiles(folder: string): Promise<Whole[]> {
  const paths = readdirSync(WHOLE)
    .filter((name) => /\.(ckpt|pth|pt)$/.test(name))
    .map((name) => join(WHOLE, name));
  const tensors = join(folder, 'whole.safetensors');
  await saveSafetensors(tensors, {
    a: torch.arange(24).reshape([4, 6]),
    b: torch.ones([3], { dtype: 'bfloat16' }),
    'layer.weight': torch.zeros([0, 3]),
    i: torch.tensor([1n, 2n]),
  });
  const files: Whole[] = [];
  for (const path of [...paths, tensors]) {
    files.push({
      name: path.slice(path.lastIndexOf('/') + 1),
      bytes: readFileSync(path),
      description: await describe(path),
    });
  }
  return files;
}

/** The file of a number: the hand-made attacks first, then damage and random pickles in turn. */
function attackOf(index: number, made: readonly Attack[], whole: readonly Whole[], canary: string) {
  if (index < made.length) return { attack: made[index]!, original: null };
  const random = new Random(index * 2654435761);
  for (let i = 0; i < 5; i++) random.below(2);
  if (random.below(10) === 0) return { attack: randomPickle(random, canary), original: null };
  const original = random.of(whole);
  const isZip = original.bytes.subarray(0, 2).toString() === 'PK';
  const attack =
    isZip && random.below(2) === 0
      ? repacked(original.name, original.bytes, random)
      : damaged(original.name, original.bytes, random);
  // PyTorch can be told to write no checksums, and one of the files is such.
  const checked = isZip && !original.name.startsWith('unchecked');
  return { attack: { ...attack, detectable: attack.detectable && checked }, original };
}

function resident(field: 'VmHWM' | 'VmRSS'): number {
  const found = new RegExp(`${field}:\\s+(\\d+) kB`).exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(found?.[1]) * 1024;
}

async function tryOne(path: string, { name, bytes, detectable }: Attack, original: Whole | null) {
  writeFileSync(path, bytes);
  const size = bytes.length;
  (globalThis as { gc?: () => void }).gc?.();
  writeFileSync('/proc/self/clear_refs', '5');
  const before = resident('VmRSS');
  // Time of the processor: other work on the machine does not count.
  const start = process.cpuUsage();
  const outcome = { name, kind: '', bytes: size } as Outcome;
  try {
    const description = await describe(path);
    if (original === null || description === original.description)
      outcome.kind = original === null ? 'other' : 'same';
    else outcome.kind = detectable ? 'WRONG LOAD' : 'other';
  } catch (error) {
    const typed = error instanceof torch.TorchError;
    const { message } = error as Error;
    const placed =
      /byte|entry|entries|header|tensor|storage|directory|pickle|\bkey\b|empty|format|levels/.test(message);
    outcome.kind = typed && placed ? 'error' : typed ? 'ERROR WITHOUT PLACE' : 'UNTYPED ERROR';
    outcome.problem = (error as { problem?: string }).problem ?? (error as Error).name;
    outcome.detail = message.replace(path, 'file');
  }
  const { user, system } = process.cpuUsage(start);
  outcome.seconds = (user + system) / 1e6;
  outcome.room = resident('VmHWM') - before;
  return outcome;
}

/** A process of its own, so that a crash or a hang shows. */
async function child(from: number, to: number, folder: string): Promise<void> {
  const canary = join(folder, 'executed');
  const whole = await wholeFiles(folder);
  const made = attacks(canary);
  const path = join(folder, 'attack');
  // The first loads compile code, whose memory is not the file's.
  for (let i = 0; i < 200; i++) {
    const { attack, original } = attackOf(made.length + i, made, whole, canary);
    await tryOne(path, attack, original);
  }
  for (let index = from; index < to; index++) {
    const { attack, original } = attackOf(index, made, whole, canary);
    process.send?.({ index, name: attack.name, begin: true });
    const outcome = await tryOne(path, attack, original);
    if (existsSync(canary)) outcome.kind = 'EXECUTED';
    if (({} as { polluted?: unknown }).polluted !== undefined) outcome.kind = 'POLLUTED';
    if (outcome.seconds > SECONDS) outcome.kind = 'TOO SLOW';
    if (outcome.room > ROOM + 2 * outcome.bytes) outcome.kind = 'TOO MUCH MEMORY';
    process.send?.({ ...outcome, index });
  }
}

/** Runs files [from, to), and starts again after one that ends the process. */
async function run(
  from: number,
  to: number,
  folder: string,
  take: (outcome: Outcome) => void,
): Promise<void> {
  for (let next = from; next < to;) {
    const current = { index: next, name: '' };
    let hung = false;
    const process_ = fork(SELF, ['child', String(next), String(to), folder], {
      // Every collection is a whole one: else what is measured is when garbage happens to go, by fifteen megabytes.
      execArgv: [...process.execArgv, '--expose-gc', '--gc-global'],
      env: { ...process.env, OMP_NUM_THREADS: '1' },
    });
    let timer = setTimeout(() => {}, 0);
    const watch = () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        hung = true;
        process_.kill('SIGKILL');
      }, 120_000);
    };
    watch();
    process_.on('message', (message) => {
      const outcome = message as Outcome & { begin?: boolean };
      watch();
      if (outcome.begin) Object.assign(current, outcome);
      else take(outcome);
      if (!outcome.begin) current.index = outcome.index + 1;
    });
    const code = await new Promise((resolve) => {
      process_.on('exit', (exit, signal) => resolve(signal ?? exit));
    });
    clearTimeout(timer);
    if (code === 0 && current.index >= to) return;
    take({ ...current, kind: hung ? 'HANG' : `CRASH ${String(code)}`, seconds: 0, bytes: 0, room: 0 });
    next = current.index + 1;
  }
}

async function main(count: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'tessera-attacks-'));
  const kinds = new Map<string, number>();
  const problems = new Map<string, number>();
  const worst = { seconds: 0, room: 0, beyond: -Infinity };
  let wrong = 0;
  try {
    await run(0, count, folder, (outcome) => {
      kinds.set(outcome.kind, (kinds.get(outcome.kind) ?? 0) + 1);
      if (outcome.problem) problems.set(outcome.problem, (problems.get(outcome.problem) ?? 0) + 1);
      worst.seconds = Math.max(worst.seconds, outcome.seconds);
      worst.room = Math.max(worst.room, outcome.room);
      worst.beyond = Math.max(worst.beyond, outcome.room - 2 * outcome.bytes);
      if (/[A-Z]/.test(outcome.kind)) {
        wrong += 1;
        const size = `${(outcome.bytes / 1e6).toFixed(2)} MB, ${(outcome.room / 2 ** 20).toFixed(0)} MiB, ${outcome.seconds.toFixed(2)} s`;
        console.log(
          `${outcome.kind}: file ${outcome.index}, ${outcome.name} (${size}) ${outcome.detail ?? ''}`,
        );
      }
      if (process.env['VERBOSE'])
        console.log(
          outcome.index,
          outcome.name,
          outcome.kind,
          outcome.detail ?? '',
          (outcome.room / 2 ** 20).toFixed(0),
        );
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  console.log(`${count} files: ${[...kinds].map(([kind, n]) => `${kind} ${n}`).join(', ')}`);
  console.log(`errors: ${[...problems].map(([kind, n]) => `${kind} ${n}`).join(', ')}`);
  console.log(
    `slowest ${worst.seconds.toFixed(2)} s, most memory ${(worst.room / 2 ** 20).toFixed(0)} MiB, ` +
      `${(worst.beyond / 2 ** 20).toFixed(0)} MiB beyond twice the file`,
  );
  process.exitCode = wrong === 0 ? 0 : 1;
}

const [first, from, to, folder] = process.argv.slice(2);
if (first === 'child') await child(Number(from), Number(to), folder!);
else await main(Number(first ?? FILES));
