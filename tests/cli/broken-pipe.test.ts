import { spawn } from 'node:child_process';
import { join } from 'node:path';
import test from 'ava';
import { packageRoot } from '../../src/files/package.js';

const main = join(packageRoot(), 'dist', 'cli', 'main.js');

/** Runs a command whose reader is gone before it prints; gives the exit code and what came on the other stream. */
function withoutReader(closed: 'stdout' | 'stderr', args: readonly string[]) {
  const child = spawn(process.execPath, [main, ...args], { cwd: packageRoot() });
  const other = closed === 'stdout' ? child.stderr : child.stdout;
  child[closed].destroy();
  let text = '';
  other.on('data', (chunk: Buffer) => (text += chunk.toString()));
  return new Promise<{ code: number | null; text: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, text })),
  );
}

for (const [closed, args, code] of [
  ['stdout', ['--help'], 0],
  ['stdout', ['--version'], 0],
  ['stdout', ['train', 'vqgan', '--help'], 0],
  ['stdout', ['train', 'vqgan', '--print-config'], 0],
  ['stdout', ['inspect', 'tests/fixtures/checkpoints/lightning.ckpt'], 0],
  ['stderr', ['bogus'], 2],
] as const)
  test(`${args.join(' ')} ends quietly when nobody reads its ${closed}`, async (t) => {
    t.deepEqual(await withoutReader(closed, args), { code, text: '' });
  });
