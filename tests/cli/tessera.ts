import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { packageRoot } from '../../src/files/package.js';

const main = join(packageRoot(), 'dist', 'cli', 'main.js');

/** Outcome of a command line. */
export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs the command line as a process of its own. */
export function tessera(args: string[], env: NodeJS.ProcessEnv = {}) {
  const options = { cwd: packageRoot(), env: { ...process.env, NO_COLOR: '1', ...env }, maxBuffer: 1e8 };
  return new Promise<Outcome>((resolve) => {
    execFile(process.execPath, [main, ...args], options, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
}

let turn: Promise<unknown> = Promise.resolve();
let evaluations = 0;

/**
 * Runs the command line in this process, which needs no new one with libtorch: evaluates the program itself, with these
 * arguments, and captures what it writes and its exit code. One after the other, as all of that is the process's; so are
 * its environment, of which `env` is changed meanwhile, and what it remembers.
 */
export function tesseraHere(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  const outcome = turn.then(() => evaluated(args, { NO_COLOR: '1', ...env }));
  turn = outcome.catch(() => {});
  return outcome;
}

async function evaluated(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Outcome> {
  const result: Outcome = { code: null, stdout: '', stderr: '' };
  const { argv, exitCode } = process;
  const before = Object.keys(env).map((name) => [name, process.env[name]] as const);
  const writes = (['stdout', 'stderr'] as const).map((name) => [name, process[name].write] as const);
  try {
    setEnvironment(Object.entries(env));
    process.argv = [process.execPath, main, ...args];
    process.exitCode = undefined;
    for (const [name] of writes) {
      process[name].write = (text: string | Uint8Array) => (
        (result[name] += Buffer.from(text).toString()),
        true
      );
    }
    evaluations += 1; // Each address is evaluated once.
    await import(`${pathToFileURL(main).href}?${evaluations}`);
    result.code = Number(process.exitCode);
  } finally {
    for (const [name, write] of writes) process[name].write = write;
    process.argv = argv;
    process.exitCode = exitCode;
    setEnvironment(before);
  }
  return result;
}

function setEnvironment(entries: readonly (readonly [string, string | undefined])[]): void {
  for (const [name, value] of entries) {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
}

export const checkpoint = (name: string): string =>
  join(packageRoot(), 'tests', 'fixtures', 'checkpoints', name);
