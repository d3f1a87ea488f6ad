/**
 * `npm run test:long -- exits [exits] [workers]`: 240 processes end and 200 workers are terminated at random moments, while they
 * compute in every way there is (busy-work.mjs) and hold tensors of every kind; none may die of a signal or hang, and what a
 * worker held is freed. Seeded; about six minutes. Exits with 1 at the first that ends otherwise than it was told.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { torch } from 'tessera-torch';
import { busyWork } from './busy-work.mjs';

const EXITS = Number(process.argv[2] ?? 240);
const WORKERS = Number(process.argv[3] ?? 200);
const HANG = 60_000;
const CHECKPOINT = fileURLToPath(new URL('../fixtures/golden/vqgan-weights.safetensors', import.meta.url));
const PROGRAM = fileURLToPath(new URL('ending-process.mjs', import.meta.url));
const THREAD = new URL('busy-thread.mjs', import.meta.url);
const folder = mkdtempSync(join(tmpdir(), 'tessera-exits-'));

let state = 1;
/** A reproducible number in [0, below). */
function random(below: number): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return Math.floor((state / 2 ** 32) * below);
}
function pick<T>(list: readonly T[]): T {
  return list[random(list.length)]!;
}

/** Ways to end, with the exit code that shows it was that one. */
const codes = { exit: 40, error: 1, rejection: 1, signal: 41, natural: 42 };
type Way = keyof typeof codes;
const ways = Object.keys(codes) as Way[];
const places = ['turn', 'scope', 'modes', 'hook', 'customFunction', 'recomputed', 'reading', 'writing'];
const kindsOfWork = Object.keys(busyWork);

interface Task {
  way: Way;
  place: string;
  kinds: string[];
  delay: number;
  workers: number;
  threads: number;
  checkpoint: string;
  output: string;
}

function drawTask(i: number): Task {
  const way = ways[i % ways.length]!;
  return {
    way,
    place: way === 'signal' ? 'turn' : places[Math.floor(i / ways.length) % places.length]!,
    kinds: Array.from({ length: 3 }, () => pick(kindsOfWork)),
    delay: random(250),
    workers: random(3),
    threads: 1 + random(2),
    checkpoint: CHECKPOINT,
    output: join(folder, `${i}.safetensors`),
  };
}

/** Runs a process to its end and throws where it is not the one it was told. */
async function prove(task: Task): Promise<void> {
  const child = spawn(process.execPath, [PROGRAM, JSON.stringify(task)], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, OMP_NUM_THREADS: String(task.threads) },
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const hang = setTimeout(() => child.kill('SIGKILL'), HANG);
  const [code, signal] = await new Promise<[number | null, string | null]>((resolve) => {
    child.once('close', (...ended) => resolve(ended));
  });
  clearTimeout(hang);
  const meant = codes[task.way] !== 1 || stderr.includes('meant to end here');
  if (signal === null && code === codes[task.way] && meant) return;
  throw new Error(
    `ended with code ${code}, signal ${signal}, not with ${codes[task.way]}: ${JSON.stringify(task)}\n${stderr}`,
  );
}

async function proveExits(): Promise<void> {
  const tasks = Array.from({ length: EXITS }, (_, i) => drawTask(i));
  let started = 0;
  let done = 0;
  const lane = async (): Promise<void> => {
    while (started < tasks.length) {
      await prove(tasks[started++]!);
      if (++done % 40 === 0) console.log(`exits: ${done} of ${EXITS}`);
    }
  };
  await Promise.all([lane(), lane()]);
}

async function proveWorkers(): Promise<void> {
  const { bytes: before } = torch.memory();
  for (let i = 1; i <= WORKERS; i++) {
    const kinds = Array.from({ length: 3 }, () => pick(kindsOfWork));
    const worker = new Worker(THREAD, { workerData: { kinds, scoped: random(2) === 0 } });
    const failed = new Promise<never>((_, reject) => worker.once('error', reject));
    failed.catch(() => {});
    // One in four ends while it still loads the library.
    if (i % 4 !== 0) await Promise.race([new Promise((resolve) => worker.once('message', resolve)), failed]);
    await Promise.race([wait(random(i % 4 === 0 ? 250 : 60)), failed]);
    await worker.terminate();
    busyWork[pick(kindsOfWork)]!();
    if (torch.ones([100]).sum().item() !== 100) throw new Error('the main thread computes something else');
    if (i % 40 === 0) console.log(`workers: ${i} of ${WORKERS}`);
  }
  await torch.expectNoLeaks(async () => {});
  const left = torch.memory().bytes['cpu']! - before['cpu']!;
  if (left > 1e6) throw new Error(`the terminated workers left ${left} bytes behind`);
  console.log(`workers: what they held is freed (${left} bytes more than before)`);
}

try {
  await proveWorkers();
  await proveExits();
  console.log(`no signal, no hang: ${EXITS} processes ended, ${WORKERS} workers terminated while computing`);
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
