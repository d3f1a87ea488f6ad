#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import { packageRoot } from '../torch/native/libtorch/platform.js';
import { doctorCommand } from './doctor.js';
import { wasInterrupted } from './interrupt.js';
import { setupCommand } from './setup.js';
import { paint } from './terminal.js';

/** Exit codes of every command. */
const FAILED = 1;
const USAGE = 2;
const INTERRUPTED = 130;

function program(): Command {
  const { version } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as {
    version: string;
  };
  const root = new Command('tessera')
    .description('VQGAN and transformer image synthesis on libtorch')
    .version(version)
    .showSuggestionAfterError()
    .addCommand(setupCommand())
    .addCommand(doctorCommand())
    .addHelpText('after', '\nExit codes: 0 ok, 1 failed, 2 wrong usage, 130 interrupted.');
  // Commands inherit this only when made by their parent, so it is set on each.
  for (const command of [root, ...root.commands]) {
    command
      .exitOverride()
      .showHelpAfterError(`(tessera ${command === root ? '' : `${command.name()} `}--help)`);
  }
  return root;
}

/** Runs one command line and returns the exit code. */
async function main(argv: string[]): Promise<number> {
  try {
    await program().parseAsync(argv, { from: 'user' });
    return typeof process.exitCode === 'number' ? process.exitCode : 0;
  } catch (error) {
    // Commander has written its message (or the help that was asked for, code 0).
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE;
    if (wasInterrupted()) {
      process.stderr.write('interrupted; nothing half-done is left\n');
      return INTERRUPTED;
    }
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`${paint('red', 'error:', process.stderr)} ${message}\n`);
    if (process.env['TESSERA_DEBUG'] && error instanceof Error) process.stderr.write(`${error.stack}\n`);
    return FAILED;
  }
}

process.exitCode = await main(process.argv.slice(2));
