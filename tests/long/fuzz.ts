/**
 * `npm run test:long -- fuzz [CALLS] [--seed N] [--overload NAME] [--from NUMBER] [--processes N] [--guard] [--show]`:
 * malformed calls over every public overload of the typed API, 1,000,000 by default, the same ones for the same seed. No
 * signal, no call that computes for more than ten seconds, no file written, and every failure a TorchError that names
 * the operator; else the last line says so and the exit code is 1.
 *
 * The calls run in child processes of limited memory in an empty folder. A child that dies or hangs is held against the
 * call it was in, and the next one goes on behind it. With `--guard` tensors lie between pages that cannot be touched
 * (fuzzing/preload.c), so that reading or writing beyond one is a signal too; `--show --from NUMBER` prints a call.
 */
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const HANG_SECONDS = 10;
const START_SECONDS = 120;
const BATCH = 25_000;
const MEMORY = 3 * 2 ** 30;
const PRELOAD = fileURLToPath(new URL('fuzzing/preload.c', import.meta.url));
const WORKER = fileURLToPath(new URL('fuzzing/worker.ts', import.meta.url));

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seed: { type: 'string', default: '1' },
    overload: { type: 'string' },
    from: { type: 'string', default: '0' },
    guard: { type: 'boolean', default: false },
    processes: { type: 'string', default: '1' },
    show: { type: 'boolean', default: false },
  },
});
const calls = Number(positionals[0] ?? 1_000_000);
const first = Number(options.from);

const home = mkdtempSync(join(tmpdir(), 'fuzz-'));
const cwd = mkdtempSync(join(home, 'cwd-'));
const logFile = join(home, 'log');

interface Entry {
  number: number;
  target?: string;
  wrong?: string;
  stack?: string;
  slow?: number;
  done?: Record<string, number>;
  classes?: Record<string, number>;
  worked?: string[];
}

function statusFile(lane: number): string {
  return join(home, `status-${lane}`);
}

function argumentsFor(from: number, end: number, lane: number): string[] {
  const limits = ['--core=0', `--data=${MEMORY}`];
  const worker = [WORKER, options.seed, String(from), String(end), statusFile(lane), logFile];
  const loader = ['--import', import.meta.resolve('tsx')];
  return [...limits, process.execPath, ...loader, ...worker, ...(options.overload ? [options.overload] : [])];
}

/** Returns the preload of libc for the children; without a C compiler there is none, and everything takes five times as long. */
function preloaded(): Record<string, string> {
  const library = join(home, 'preload.so');
  const { status } = spawnSync('cc', ['-O1', '-shared', '-fPIC', '-o', library, PRELOAD, '-ldl'], {
    stdio: 'inherit',
  });
  if (status !== 0) return {};
  return { LD_PRELOAD: library, ...(options.guard ? { FUZZ_GUARD: '1' } : {}) };
}

const environment = {
  ...process.env,
  ...preloaded(),
  OMP_NUM_THREADS: '1',
  TORCH_CPP_LOG_LEVEL: 'ERROR',
};

function show(number: number): string {
  const { stdout, stderr } = spawnSync('prlimit', argumentsFor(number, number + 1, -1), {
    cwd,
    encoding: 'utf8',
    env: { ...environment, FUZZ_SHOW: '1' },
    timeout: 20_000,
  });
  return stdout || `(cannot be shown: ${stderr.slice(-300)})`;
}

/** The number of the call that the lane's child is in, or -1. */
function currentCall(lane: number): number {
  const buffer = new Float64Array(1);
  try {
    const file = openSync(statusFile(lane), 'r');
    const read = readSync(file, new Uint8Array(buffer.buffer), 0, 8, 0);
    closeSync(file);
    return read === 8 ? buffer[0]! : -1;
  } catch {
    return -1;
  }
}

/** Seconds that a process has computed: on a busy machine, or one where it is stopped, time alone says nothing. */
function processorTime(pid: number): { seconds: number; stopped: boolean } {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
    return { seconds: (Number(fields[11]) + Number(fields[12])) / 100, stopped: fields[0] === 'T' };
  } catch {
    return { seconds: 0, stopped: false };
  }
}

interface End {
  reason: string | null;
  number: number;
  noise: string;
}

/** Runs a child up to its end, by itself or because it hangs. */
function runChild(from: number, end: number, lane: number): Promise<End> {
  rmSync(statusFile(lane), { force: true });
  const child = spawn('prlimit', argumentsFor(from, end, lane), {
    cwd,
    env: environment,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let noise = '';
  child.stderr.on('data', (data: Buffer) => (noise = (noise + data.toString()).slice(-2000)));
  let last = -1;
  let since = Date.now();
  let spent = 0;
  let hung = false;
  const watch = setInterval(() => {
    const now = currentCall(lane);
    const { seconds, stopped } = processorTime(child.pid!);
    if (now !== last) [since, spent] = [Date.now(), seconds];
    if (stopped) since = Date.now();
    last = now;
    const waited = (Date.now() - since) / 1000;
    hung = now < 0 ? waited > START_SECONDS : seconds - spent > HANG_SECONDS || waited > 12 * HANG_SECONDS;
    if (hung) child.kill('SIGKILL');
  }, 250);
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      clearInterval(watch);
      const number = currentCall(lane);
      if (hung) resolve({ reason: `longer than ${HANG_SECONDS} s`, number, noise });
      else if (signal) resolve({ reason: signal, number, noise });
      else if (code !== 0) resolve({ reason: `exit code ${code}`, number, noise });
      else resolve({ reason: null, number, noise });
    });
  });
}

/** Returns the output of the child before it ended, without libtorch's warnings. */
function said(noise: string): string {
  const lines = noise
    .split('\n')
    .filter((line) => line.trim() && !/^\[W\d|^\s*X = |^should be replaced/.test(line));
  return lines.length > 0 ? `  said: ${lines.join(' | ').slice(-300)}\n` : '';
}

if (options.show) {
  console.log(show(first));
  process.exit(0);
}

console.log(`${calls} calls, seed ${options.seed}`);
const started = Date.now();
let signals = 0;
let hangs = 0;
let made = 0;
let next = first;

/** Runs batches, one child after the other, until none is left. */
async function runLane(lane: number): Promise<void> {
  while (next < first + calls) {
    let from = next;
    const end = (next = Math.min(from + BATCH, first + calls));
    while (from < end) {
      const begun = from;
      const { reason, number, noise } = await runChild(from, end, lane);
      from = reason === null ? end : number + 1;
      made += from - begun;
      if (reason === null) continue;
      if (number < begun) throw new Error(`the child did not start: ${reason}\n${noise}`);
      if (reason.startsWith('longer')) hangs++;
      else signals++;
      console.log(`\n${reason}: call ${number}\n  ${show(number)}${said(noise)}`);
    }
    const seconds = Math.round((Date.now() - started) / 1000);
    console.log(`${made} calls, ${seconds} s, ${signals} signals, ${hangs} hangs`);
  }
}

await Promise.all(Array.from({ length: Number(options.processes) }, (_, lane) => runLane(lane)));

const entries = readFileSync(logFile, 'utf8')
  .split('\n')
  .filter(Boolean)
  .map((line) => JSON.parse(line) as Entry);
const wrong = entries.filter((entry) => entry.wrong !== undefined);
const groups = new Map<string, Entry[]>();
for (const entry of wrong) {
  const key = `${entry.target}: ${entry.wrong!.slice(0, 160).replaceAll(/\d+/g, '#')}`;
  groups.set(key, [...(groups.get(key) ?? []), entry]);
}
for (const [key, members] of [...groups].slice(0, 60))
  console.log(`${members.length} × ${key}  (call ${members[0]!.number}) ${members[0]!.stack ?? ''}`);
if (groups.size > 60) console.log(`… and ${groups.size - 60} more kinds`);
for (const entry of entries.filter(({ slow }) => slow !== undefined))
  console.log(`slow: call ${entry.number}, ${entry.slow} ms`);
const files = readdirSync(cwd);
const results = entries.reduce((sum, { done }) => sum + (done?.['results'] ?? 0), 0);
const worked = new Set(entries.flatMap((entry) => entry.worked ?? []));
const classes: Record<string, number> = {};
for (const entry of entries)
  for (const [name, count] of Object.entries(entry.classes ?? {}))
    classes[name] = (classes[name] ?? 0) + count;
console.log(JSON.stringify(classes));
console.log(`${results} calls gave a result, of ${worked.size} overloads`);
if (files.length > 0) console.log(`files: ${files.join(', ')}`);
rmSync(home, { recursive: true, force: true });
const passed = signals === 0 && hangs === 0 && files.length === 0 && wrong.length === 0;
console.log(
  `${passed ? 'passed' : 'FAILED'}: ${calls} calls, ${signals} signals, ${hangs} over ${HANG_SECONDS} s, ${files.length} files, ` +
    `${wrong.length} failures that are no TorchError with an operator; ${Math.round((Date.now() - started) / 1000)} s`,
);
process.exit(passed ? 0 : 1);
