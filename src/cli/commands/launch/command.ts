import type { Command } from 'commander';
import { numeric, onDemand, positiveInteger } from '../../arguments.js';

export interface LaunchFlags {
  processes: number;
  port?: number;
  timeout?: number;
}

const port = numeric((n) => Number.isSafeInteger(n) && n > 0 && n < 65_536, 'a port from 1 to 65535');
const seconds = numeric((n) => n > 0 && n <= 1e9, 'a number of seconds above 0');

/** Defines `tessera-torch launch`, which starts a command in several processes that train together. */
export function launchCommand(command: Command): Command {
  return command
    .argument('<command...>', 'command of tessera-torch, or a JavaScript file, after --')
    .requiredOption('--processes <n>', 'number of processes on this machine', positiveInteger)
    .option('--port <port>', 'port at which they meet; default: a free one', port)
    .option('--timeout <seconds>', 'time that a process waits for the others; default 1800', seconds)
    .addHelpText(
      'after',
      `
Every process gets RANK, LOCAL_RANK, WORLD_SIZE, LOCAL_WORLD_SIZE, MASTER_ADDR and MASTER_PORT, as with torchrun. Ctrl-C
reaches all of them, and a second one ends them at once; if one fails, the others are ended.

Examples:
  $ npx tessera-torch launch --processes 2 -- train vqgan --data photos
  $ npx tessera-torch launch --processes 4 -- ./my-training.js --steps 100`,
    )
    .action(onDemand(async () => (await import('./run.js')).launch));
}
