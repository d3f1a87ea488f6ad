#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { packageVersion } from '../files/package.js';
import { endWithReader, readerIsGone } from './broken-pipe.js';
import { wasInterrupted } from './interrupt.js';
import { messageOf } from './system-error.js';
import { paint } from './terminal.js';
import { UsageError } from './usage-error.js';

/** What a reader types: npm finds it by the package's name, also before it is installed. `tessera` is another package. */
const COMMAND = 'npx tessera-torch';

/** Exit codes of every command. */
const FAILED = 1;
const USAGE = 2;
const INTERRUPTED = 130;

interface Entry {
  name: string;
  description: string;
  /** Loaded only when its turn comes: most commands need libtorch, `setup` and `doctor` must do without. */
  load: () => Promise<(command: Command) => Command>;
}

const entries: readonly Entry[] = [
  {
    name: 'setup',
    description: 'get libtorch, and build the native addon where no prebuilt one is installed',
    load: async () => (await import('./commands/setup/command.js')).setupCommand,
  },
  {
    name: 'doctor',
    description: 'check platform, libtorch, addon and devices',
    load: async () => (await import('./commands/doctor/command.js')).doctorCommand,
  },
  {
    name: 'inspect',
    description: 'show what is in a checkpoint: model, step, settings, tensors; nothing in it is run',
    load: async () => (await import('./commands/inspect/command.js')).inspectCommand,
  },
  {
    name: 'convert',
    description: 'write a checkpoint in another format: safetensors, or a file that PyTorch reads',
    load: async () => (await import('./commands/convert/command.js')).convertCommand,
  },
  {
    name: 'train',
    description: 'train a model on your pictures: train vqgan, then train transformer',
    load: async () => (await import('./commands/train/command.js')).trainCommand,
  },
  {
    name: 'reconstruct',
    description: "put pictures through a trained model's codes and back",
    load: async () => (await import('./commands/reconstruct/command.js')).reconstructCommand,
  },
  {
    name: 'sample',
    description: 'invent new pictures with a trained transformer',
    load: async () => (await import('./commands/sample/command.js')).sampleCommand,
  },
  {
    name: 'data',
    description: 'look at pictures before training, pack them for speed, draw the built-in ones',
    load: async () => (await import('./commands/data/command.js')).dataCommand,
  },
];

const example = `
From your own pictures to new ones:
  $ npx tessera-torch train vqgan --data photos --minutes 60
  $ npx tessera-torch train transformer --vqgan runs/vqgan --minutes 60
  $ npx tessera-torch sample runs/transformer --grid

Exit codes: 0 ok, 1 failed, 2 wrong usage, 130 interrupted.`;

async function program(argv: readonly string[]): Promise<Command> {
  const root = new Command(COMMAND)
    .description('VQGAN and transformer image synthesis on libtorch')
    .version(packageVersion())
    .showSuggestionAfterError()
    .addHelpText('after', example);
  const wanted = argv[0] === 'help' ? argv[1] : argv[0];
  for (const { name, description, load } of entries) {
    const command = root.command(name).description(description);
    if (name === wanted) (await load())(command);
  }
  settle(root, COMMAND);
  return root;
}

/** Commands inherit this only when made by their parent, so it is set on each. */
function settle(command: Command, path: string): void {
  command
    .exitOverride()
    .showHelpAfterError(`(${path} --help)`)
    .helpCommand(command.commands.length > 0);
  for (const child of command.commands) settle(child, `${path} ${child.name()}`);
}

/** Runs one command line and returns the exit code. */
async function main(argv: string[]): Promise<number> {
  try {
    await (await program(argv)).parseAsync(argv, { from: 'user' });
    return typeof process.exitCode === 'number' ? process.exitCode : 0;
  } catch (error) {
    // Commander has written its message (or the help that was asked for, code 0).
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE;
    if (wasInterrupted()) {
      if (!readerIsGone()) process.stderr.write('interrupted; nothing half-done is left\n');
      return INTERRUPTED;
    }
    process.stderr.write(`${paint('red', 'error:', process.stderr)} ${messageOf(error)}\n`);
    if (process.env['TESSERA_DEBUG'] && error instanceof Error) process.stderr.write(`${error.stack}\n`);
    return error instanceof UsageError ? USAGE : FAILED;
  }
}

endWithReader();
process.exitCode = await main(process.argv.slice(2));
