/** Run folders of an older version, from the fixtures of the tests. */
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliDecompressSync } from 'node:zlib';
import type { Checkout, Rows } from './checkout.js';
import { filesBelow, imagesOf, runRows } from './run-rows.js';

/** Written by tests/fixtures/make/old-runs.ts. */
export const OLD_RUNS = fileURLToPath(new URL('../../tests/fixtures/runs-of-0.1', import.meta.url));

/** The runs, and the step to which each is resumed. */
const stages = { vqgan: 'vqgan', transformer: 'transformer', 'transformer-classes': 'transformer' } as const;

/** Copies `packed` and the run folders into a folder; the runs name them by relative paths. */
export function restoreOldRuns(folder: string): void {
  if (existsSync(join(folder, 'packed'))) return;
  cpSync(OLD_RUNS, folder, { recursive: true });
  for (const name of filesBelow(folder).filter((file) => file.endsWith('.br'))) {
    const path = join(folder, name);
    writeFileSync(path.slice(0, -'.br'.length), brotliDecompressSync(readFileSync(path)));
    rmSync(path);
  }
  for (const run of Object.keys(stages)) mkdirSync(join(folder, run, 'images'), { recursive: true });
}

/** Returns the results of a checkout on the old runs, to the bit, through its command line and its public entry. */
export async function askOldRuns(checkout: Checkout): Promise<Rows> {
  const old = join(checkout.folder, 'old');
  restoreOldRuns(old);
  const rows: Rows = await checkout.ask('old-runs', old);
  const images = {
    sample: ['sample', 'transformer', '--n', '4', '--seed', '3'],
    'sample a class': ['sample', 'transformer-classes', '--n', '3', '--class', 'square'],
    reconstruct: ['reconstruct', 'vqgan', '../../data/photos', '--json'],
  };
  for (const [name, args] of Object.entries(images)) {
    const { code, stderr } = await checkout.tessera([...args, '--out', `made/${name}`], old);
    rows[name] = `exit code ${code}\n${checkout.masked(stderr)}\n${await imagesOf(join(old, 'made', name))}`;
  }
  for (const [run, stage] of Object.entries(stages)) {
    const { code, stderr } = await checkout.tessera(
      ['train', stage, '--resume', run, 'training.steps=4'],
      old,
    );
    rows[`resume ${run}`] = `exit code ${code}\n${checkout.masked(stderr)}`;
    for (const [name, value] of Object.entries(await runRows(join(old, run))))
      rows[`${run}: ${name}`] = value;
  }
  return rows;
}
