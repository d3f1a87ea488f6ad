// What the training scripts share around the training itself: arguments, exit codes, and the output folder.
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

// Import this file before the package: libgomp, which libtorch computes with, reads this once, when it is loaded. Its
// threads otherwise spin while they wait for each other, and beside another busy process a step then takes twenty
// times as long (0.11 steps a second instead of 2.1; on an idle machine there is no difference).
process.env['GOMP_SPINCOUNT'] ??= '1000';

export class UsageError extends Error {}

/** The process was asked to stop: what there is has been saved. */
export class Interrupted extends Error {}

export interface Arguments {
  /** The one argument that is not an option. */
  folder: string | undefined;
  text(name: string): string | undefined;
  /** A positive number. */
  number(name: string): number | undefined;
  /** A whole number from 0. */
  integer(name: string): number | undefined;
}

/** `--name value` and `--name=value` for the given names; anything else is a usage error. */
export function readArguments(argv: string[], names: readonly string[]): Arguments {
  const options = Object.fromEntries(names.map((name) => [name, { type: 'string' as const }]));
  const { values, positionals } = parse(argv, options);
  const folders = positionals.slice(1);
  if (folders.length > 0) throw new UsageError(`unexpected argument "${folders[0]}"`);
  const read = (name: string, wanted: string, fits: (value: number) => boolean) => {
    const text = values[name];
    if (text === undefined) return undefined;
    const value = text.trim() === '' ? Number.NaN : Number(text);
    if (!fits(value)) throw new UsageError(`--${name} takes ${wanted}, not "${text}"`);
    return value;
  };
  return {
    folder: positionals[0],
    text: (name) => values[name],
    number: (name) => read(name, 'a positive number', (value) => value > 0 && value < Infinity),
    integer: (name) =>
      read(name, 'a whole number from 0', (value) => value >= 0 && Number.isSafeInteger(value)),
  };
}

function parse(args: string[], options: Record<string, { type: 'string' }>) {
  try {
    const { values, positionals } = parseArgs({ args, options, allowPositionals: true });
    return { values: values as Record<string, string | undefined>, positionals };
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** Runs a script if it was started by name, not imported: 1 on failure, 2 on wrong usage, 130 when interrupted. */
export async function runScript(
  url: string,
  usage: string,
  main: (argv: string[]) => Promise<void>,
): Promise<void> {
  if (url !== pathToFileURL(process.argv[1] ?? '').href) return;
  const argv = process.argv.slice(2);
  if (argv.includes('--help') || argv.includes('-h')) return void console.log(usage);
  try {
    await main(argv);
  } catch (error) {
    if (error instanceof Interrupted) process.exitCode = 130;
    else if (error instanceof UsageError) {
      console.error(`${error.message}\n\n${usage}`);
      process.exitCode = 2;
    } else {
      console.error(
        process.env['DEBUG'] ? error : `error: ${error instanceof Error ? error.message : String(error)}`,
      );
      process.exitCode = 1;
    }
  }
}

/** Lets `fill` write into a new folder that gets the name `out` only once `fill` is done; a failure leaves nothing. */
export async function withOutputFolder<T>(out: string, fill: (folder: string) => Promise<T>): Promise<T> {
  if (existsSync(out)) throw new Error(`${out} already exists: name another --out, or remove it`);
  const partial = `${out}.partial-${process.pid}`;
  await mkdir(dirname(out), { recursive: true });
  await mkdir(partial);
  try {
    const result = await fill(partial);
    await rename(partial, out);
    return result;
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  }
}
