import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { Command } from 'commander';
import { trainCommand } from '../../src/cli/commands/train/command.js';
import { readConfig } from '../../src/runs/folder.js';
import { temporaryFolder } from '../training/tiny.js';

const settings =
  '--data scenes data.count=24 data.heldOut=4 --steps 1 training.batchSize=2 training.device=cpu training.threads=1 --quiet';

/** Trains a step on a few scenes in this process, as `tessera train` does, and returns the run and its configuration. */
export async function trained(t: ExecutionContext, ...args: string[]) {
  const out = temporaryFolder(t);
  const command = trainCommand(new Command('train'));
  await command.parseAsync(
    [args[0]!, ...settings.split(' '), ...args.slice(1), '--out', out, '--name', 'new'],
    {
      from: 'user',
    },
  );
  return { ...(await readConfig(join(out, 'new'))), run: join(out, 'new') };
}
