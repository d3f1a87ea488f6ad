/** Programs of users, run in a folder with images. */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { transformSync } from 'esbuild';
import sharp from 'sharp';
import { packageRoot } from '../../src/files/package.js';

export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs a program in a folder of its own. Programs import the package, which is what was built last. */
export function run(path: string, args: string[]): Promise<Outcome> {
  const env = { ...process.env, OMP_NUM_THREADS: '1' };
  const child = spawn(process.execPath, [path, ...args], { cwd: root, env });
  const result = { code: null as number | null, stdout: '', stderr: '' };
  child.stdout.on('data', (chunk: Buffer) => (result.stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (result.stderr += chunk.toString()));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ ...result, code }));
  });
}

let programs = 0;

/** Runs a user's program, given as TypeScript. */
export async function program(text: string, args: string[] = []): Promise<Outcome> {
  // Inside the package, so that it finds it by name.
  const path = join(packageRoot(), 'build', `program-${process.pid}-${programs++}.mjs`);
  writeFileSync(path, transformSync(text, { loader: 'ts' }).code);
  try {
    return await run(path, args);
  } finally {
    rmSync(path);
  }
}

export const textOf = (name: string): string => readFileSync(join(packageRoot(), 'scripts', name), 'utf8');

/** Its folder, which has images in `photos`. */
export let root: string;

test.before(async () => {
  root = mkdtempSync(join(tmpdir(), 'tessera-scripts-'));
  mkdirSync(join(root, 'photos'));
  for (let i = 0; i < 60; i++) {
    const create = {
      width: 70,
      height: 64,
      channels: 3,
      background: { r: 4 * i, g: 90, b: 200 - 3 * i },
    } as const;
    await sharp({ create })
      .png()
      .toFile(join(root, 'photos', `${i}.png`));
  }
});
test.after.always(() => rmSync(root, { recursive: true, force: true }));
