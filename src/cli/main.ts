#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { packageVersion } from '../files/package.js';
import { endWithReader, readerIsGone } from './broken-pipe.js';
import { FAILED, INTERRUPTED, USAGE } from './exit-codes.js';
import { wasInterrupted } from './interrupt.js';
import { messageOf } from './system-error.js';
import { paint } from './terminal.js';
import { UsageError } from './usage-error.js';

/** Command that works before and after installation, by the package's name; `tessera` is another package on npm. */
const COMMAND = 'npx tessera-torch';

const descriptions = {
  setup: 'install libtorch, and build the native addon if no prebuilt one is installed',
  doctor: 'check platform, libtorch, addon and devices',
  inspect: 'show the content of a checkpoint: model, step, settings, tensors; runs no code from it',
  convert: 'convert a checkpoint to another format: safetensors, or a file that PyTorch reads',
  import: 'make a run of a checkpoint that was trained elsewhere',
  train: 'train a model on your images: train vqgan, then train transformer',
  launch: 'start a command in several processes that train together',
  reconstruct: 'encode images with a trained model and decode them again',
  eval: 'measure models and generated images, and compare what was measured alike',
  trim: 'leave the codes that no image uses out of a trained model',
  encode: 'write the tokens of images, for language models and other programs',
  decode: 'turn token files back into images',
  sample: 'generate new images with a trained transformer',
  data: 'inspect images before training, pack them for speed, draw the built-in ones',
};

/** Loads a command on demand: most commands need libtorch, but `setup` and `doctor` must work without it. */
const loaders: Record<keyof typeof descriptions, () => Promise<(command: Command) => Command>> = {
  setup: async () => (await import('./commands/setup/command.js')).setupCommand,
  doctor: async () => (await import('./commands/doctor/command.js')).doctorCommand,
  inspect: async () => (await import('./commands/inspect/command.js')).inspectCommand,
  convert: async () => (await import('./commands/convert/command.js')).convertCommand,
  import: async () => (await import('./commands/import/command.js')).importCommand,
  train: async () => (await import('./commands/train/command.js')).trainCommand,
  launch: async () => (await import('./commands/launch/command.js')).launchCommand,
  reconstruct: async () => (await import('./commands/reconstruct/command.js')).reconstructCommand,
  eval: async () => (await import('./commands/eval/command.js')).evalCommand,
  trim: async () => (await import('./commands/trim/command.js')).trimCommand,
  encode: async () => (await import('./commands/encode/command.js')).encodeCommand,
  decode: async () => (await import('./commands/decode/command.js')).decodeCommand,
  sample: async () => (await import('./commands/sample/command.js')).sampleCommand,
  data: async () => (await import('./commands/data/command.js')).dataCommand,
};

const example = `
From your own images to new ones:
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
  for (const [name, description] of Object.entries(descriptions)) {
    const command = root.command(name).description(description);
    if (name === wanted) (await loaders[name as keyof typeof loaders]())(command);
  }
  settle(root, COMMAND);
  return root;
}

/** Configures a command and its sub-commands: they inherit these options only if their parent creates them. */
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
    // Commander has already printed its message, or the requested help (code 0).
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE;
    if (wasInterrupted()) {
      if (!readerIsGone()) process.stderr.write('interrupted; no incomplete files are left\n');
      return INTERRUPTED;
    }
    process.stderr.write(`${paint('red', 'error:', process.stderr)} ${messageOf(error)}\n`);
    if (process.env['TESSERA_DEBUG'] && error instanceof Error) process.stderr.write(`${error.stack}\n`);
    return error instanceof UsageError ? USAGE : FAILED;
  }
}

endWithReader();
process.exitCode = await main(process.argv.slice(2));
