/** Messages for system errors: what failed, where, and what to do. */
import { accessSync, constants, existsSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { exists } from '../files/look.js';
import { systemReasons } from '../files/system-reasons.js';

/** System calls that write; the others read. */
const writing = new Set('mkdir mkdtemp rename link symlink unlink rmdir rm write ftruncate'.split(' '));
const refusals = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT']);

/** Returns an error's message for the terminal: one line for a system error, the error's own text for any other. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const text = systemMessage(error) ?? error.message;
  // An error of this package may have it as its cause without naming the flag.
  const { cause } = error as { cause?: Error & Denied & { code?: unknown } };
  const flag = cause?.code === 'ERR_ACCESS_DENIED' && !text.includes('--allow-') ? flagFor(cause) : undefined;
  return flag === undefined ? text : `${text}; add ${flag}`;
}

interface Denied {
  /** `FileSystemRead`, `FileSystemWrite`, `ChildProcess` … of `node --permission`. */
  permission?: string;
  resource?: string;
  dest?: string;
}

function systemMessage(error: NodeJS.ErrnoException & Denied): string | null {
  const { syscall } = error;
  const place = placeOf(error);
  const code = syscall === 'mkdir' && error.code === 'ENOENT' ? parentFault(place) : error.code;
  if (code === 'ERR_ACCESS_DENIED') return denied(error);
  if (syscall === 'uv_cwd') return 'the current folder no longer exists; change to an existing one';
  const reason = code === undefined ? undefined : systemReasons[code];
  // Error classes of this package already have their own message.
  if (reason === undefined || syscall === undefined || error.constructor !== Error) return null;
  const start = place === null ? '' : `${place}: `;
  const refused = refusals.has(code!) && (writing.has(syscall) || code !== 'EACCES');
  const wayOut = refused ? '; name another place to write to (see --help), or work in another folder' : '';
  return `${start}${reason} (${syscall})${wayOut}`;
}

/** Returns the full path where it failed; for a temporary file, its folder. */
function placeOf({ path, dest }: Partial<Record<'path' | 'dest', string | undefined>>): string | null {
  const place = dest ?? path;
  if (place === undefined) return null;
  const full = resolve(place);
  return /\.(tmp|partial(-\d+)?)$/.test(basename(full)) ? dirname(full) : full;
}

/** Returns why a folder cannot be created: a recursive `mkdir` reports ENOENT whatever the reason of its parent. */
function parentFault(place: string | null): string {
  let parent = dirname(place ?? '.');
  while (!existsSync(parent) && dirname(parent) !== parent) parent = dirname(parent);
  try {
    accessSync(parent, constants.W_OK);
    return 'ENOENT';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'ENOENT';
  }
}

function denied(error: Error & Denied): string {
  const place = error.resource ? placeOf({ path: error.resource }) : null;
  const flag = flagFor(error);
  // Some calls are always forbidden; Node's own message says which.
  if (flag === undefined) return error.message;
  return `${place === null ? '' : `${place}: `}node --permission does not allow this; add ${flag}`;
}

/** Returns the flag of node that allows what was denied; undefined if there is none. */
function flagFor({ permission, resource }: Denied): string | undefined {
  const place = resource ? placeOf({ path: resource }) : null;
  const flags: Readonly<Record<string, string>> = {
    FileSystemRead: `--allow-fs-read=${place}`,
    FileSystemWrite: `--allow-fs-write=${resource ? writtenFolder(resolve(resource)) : '*'}`,
    ChildProcess: '--allow-child-process',
    WorkerThreads: '--allow-worker',
  };
  return flags[permission ?? ''];
}

/** Returns the nearest existing folder, to allow writing in: Node treats paths that do not exist as files. */
function writtenFolder(place: string): string {
  let folder = dirname(place);
  while (!exists(folder) && dirname(folder) !== folder) folder = dirname(folder);
  return dirname(folder) === folder ? place : folder;
}
