import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import sharp from 'sharp';
import { sampleCommand } from '../../src/cli/commands/sample/command.js';

/** Runs `tessera sample` in this process: the pixels of each image, and what samples.json says. */
export async function sampled(out: string, run: string, ...flags: string[]) {
  const command = sampleCommand(new Command('sample'))
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  await command.parseAsync([run, '--quiet', '--device', 'cpu', '--out', out, ...flags], { from: 'user' });
  const recipe = JSON.parse(readFileSync(join(out, 'samples.json'), 'utf8')) as Record<string, unknown>;
  const pixels = await Promise.all(
    (recipe['pictures'] as string[]).map(async (path) =>
      (await sharp(path).raw().toBuffer()).toString('hex'),
    ),
  );
  return { pixels, recipe };
}
