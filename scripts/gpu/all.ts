/**
 * `scripts/gpu-check all`: runs every part in a separate process with its share of the time. A part that fails, crashes
 * or hangs does not affect the others; time that it does not use goes to those that follow.
 */
import { spawn } from 'node:child_process';
import { onInterrupt } from '../../src/files/interrupt.js';
import { Findings, parts, printTable, readResults, writeResults } from './results.js';
import type { Part, Results } from './results.js';
import { ask, pythonArm, say, within } from './rounds.js';
import type { Settings } from './rounds.js';
import { COMPILED } from './vqgan.js';

/** Seconds of each part if there are 420 in all; other totals are divided in proportion. */
const SHARES: Record<Part, number> = { smoke: 35, tests: 40, sample: 110, vqgan: 150, gpt: 60, host: 45 };

/** Seconds beyond its share that a part has to write its last lines before it is killed. */
const GRACE = 5;

/** Runs the parts. Returns true if no part and no test failed. */
export async function runAll(settings: Settings, resume?: string): Promise<boolean> {
  const { tiny, device } = settings;
  // The script that starts this has built the addon meanwhile.
  const spent = Number(process.env['TESSERA_GPU_CHECK_SPENT'] ?? 0);
  const began = performance.now() - 1000 * spent;
  const left = () => settings.seconds - (performance.now() - began) / 1000;
  const before: Results = resume === undefined ? {} : readResults(tiny, resume);
  writeResults(before, tiny);
  const finished = (part: Part) => before[part]?.status === 'complete';
  const todo = parts.filter((part) => !finished(part));
  say(`${left().toFixed(0)} s for ${todo.join(', ') || 'nothing: all parts are complete'}`);

  const compiler = device !== 'cpu' && todo.includes('vqgan') ? warmCompiler(settings) : null;
  let allWell = true;
  for (const [i, part] of todo.entries()) {
    const shares = todo.slice(i).reduce((sum, one) => sum + SHARES[one], 0);
    if (part === 'vqgan') await compiler?.until(Math.min(45, 0.15 * left()));
    const box = Math.floor(Math.min((left() - GRACE) * (SHARES[part] / shares), 2 * SHARES[part]));
    if (box < 10) {
      skip(part, `left out: ${box} s are too few`, tiny);
      allWell = false;
      continue;
    }
    const code = await runPart(part, box, settings);
    if (code !== 0) allWell = false;
    if (code === null) close(part, `ended after ${box + GRACE} s, in the middle or hanging`, tiny);
    // If the first operators fail, no other result means anything.
    if (part === 'smoke' && readResults(tiny).smoke?.rows[0]?.reached === false) {
      say('the device computes nothing: no part is tried');
      break;
    }
  }
  compiler?.stop();
  printTable(tiny);
  return allWell;
}

/** Runs a part and returns its exit code; null if it had to be killed. */
async function runPart(part: Part, box: number, { device, tiny }: Settings): Promise<number | null> {
  say(`${part}, ${box} s`);
  const args = ['--import=tsx', 'scripts/gpu/main.ts', part, '--seconds', `${box}`, '--device', device];
  const child = spawn(process.execPath, tiny ? [...args, '--tiny'] : args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    // In a separate process group, to be killed together with its arms.
    detached: true,
    env: { ...process.env, TESSERA_GPU_CHECK_ALL: '1' },
  });
  const end = () => {
    try {
      process.kill(-child.pid!, 'SIGKILL');
    } catch {
      // It has just ended.
    }
  };
  const overdue = setTimeout(end, 1000 * (box + GRACE));
  const { release } = onInterrupt(end, end);
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  clearTimeout(overdue);
  release();
  return code;
}

/** Records why a part was not run. */
function skip(part: Part, reason: string, tiny: boolean): void {
  const findings = new Findings(part, 'scripts/gpu-check all', tiny);
  findings.note(reason);
  findings.end('failed');
}

/** Marks a part as killed; its results so far are kept. */
function close(part: Part, reason: string, tiny: boolean): void {
  const results = readResults(tiny);
  const result = results[part];
  if (!result) return skip(part, reason, tiny);
  result.status = 'failed';
  result.notes.push(reason);
  writeResults(results, tiny);
}

/**
 * Lets torch.compile fill its cache on disk while parts run that measure no times: compiling the networks takes
 * minutes, reading them from the cache takes seconds.
 */
function warmCompiler(settings: Settings): { until: (seconds: number) => Promise<void>; stop: () => void } {
  const arm = pythonArm('vqgan_arm.py', settings, '--schedule', 'one-pass', '--compile');
  const compiled = ask(arm, { ask: 'time', ...COMPILED, batch: 32, steps: 1, warmups: 1 })
    .then(() => say('torch.compile has compiled'))
    .catch((error: Error) => say(`torch.compile has failed: ${error.message}`));
  return {
    async until(seconds) {
      say(`waiting for torch.compile, ${seconds.toFixed(0)} s at most`);
      await within(seconds, compiled).catch(() => say('torch.compile is not done yet, and is killed'));
      arm.kill();
    },
    stop: () => arm.kill(),
  };
}
