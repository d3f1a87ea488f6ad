/** Token sets small enough for tests. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EncodeFlags } from '../../src/cli/commands/encode/command.js';
import { encode } from '../../src/cli/commands/encode/run.js';
import { png } from './tokenizers.js';

/** Defaults of the command line's flags. */
export const defaults = {
  to: 'jsonl',
  fit: 'crop',
  padding: 'reflect',
  offset: 0,
  batch: 16,
  device: 'cpu',
  precision: 'float32',
  quiet: true,
} as const;

/** Writes a token set as the command does; returns its folder. */
export async function encoded(
  run: string,
  paths: string | string[],
  flags: Partial<EncodeFlags> & { out: string },
): Promise<string> {
  try {
    await encode(run, [paths].flat(), { ...defaults, ...flags });
  } finally {
    process.exitCode = undefined;
  }
  return flags.out;
}

/** Writes images of 24 × 16 pixels into the folders of two classes; returns the folder of these. */
export async function photosOfClasses(folder: string, count: number): Promise<string> {
  for (let i = 0; i < count; i++) {
    const place = join(folder, i % 2 === 0 ? 'even' : 'odd');
    mkdirSync(place, { recursive: true });
    writeFileSync(join(place, `${String(i).padStart(2, '0')}.png`), await png(24, 16, i));
  }
  return folder;
}
