import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../../src/files/package.js';

const main = join(packageRoot(), 'dist', 'cli', 'main.js');

/** Runs the command line. */
export function tessera(args: string[], env: NodeJS.ProcessEnv = {}) {
  const options = { cwd: packageRoot(), env: { ...process.env, NO_COLOR: '1', ...env }, maxBuffer: 1e8 };
  return new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    execFile(process.execPath, [main, ...args], options, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr });
    });
  });
}

export const checkpoint = (name: string): string =>
  join(packageRoot(), 'tests', 'fixtures', 'checkpoints', name);
