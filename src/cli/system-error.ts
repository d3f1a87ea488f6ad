/** The system's errors in words: what could not be done, where, and the way out. */
import { accessSync, constants, existsSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { exists } from '../files/look.js';

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file or folder',
  EACCES: 'that is not permitted',
  EPERM: 'that is not permitted',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space is left on the disk',
  EDQUOT: 'the disk quota is used up',
  ENOTDIR: 'part of the path is a file, not a folder',
  EISDIR: 'this is a folder, not a file',
  EEXIST: 'there is something of that name already',
  ENAMETOOLONG: 'the name is too long',
  ELOOP: 'the links lead in a circle',
  EMFILE: 'too many files are open; raise the limit with: ulimit -n 4096',
  ENFILE: 'the system has too many files open',
  EIO: 'the disk reports an error',
  EBUSY: 'it is in use',
};

/** What a call that writes did; the others read. */
const writing = new Set([
  'mkdir',
  'mkdtemp',
  'rename',
  'link',
  'symlink',
  'unlink',
  'rmdir',
  'rm',
  'write',
  'ftruncate',
]);
const refusals = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT']);

/** An error's message for the terminal: one line for an error of the system's, the error's own text for any other. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const text = systemMessage(error) ?? error.message;
  // An error of ours may have it as its cause, and say nothing of flags.
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
  if (syscall === 'uv_cwd') return 'the folder this was started in is gone; change to one that is there';
  const reason = code === undefined ? undefined : reasons[code];
  // A class of ours has said it in its own words already.
  if (reason === undefined || syscall === undefined || error.constructor !== Error) return null;
  const start = place === null ? '' : `${place}: `;
  const refused = refusals.has(code!) && (writing.has(syscall) || code !== 'EACCES');
  const wayOut = refused ? '; name another place to write to (see --help), or work in another folder' : '';
  return `${start}${reason} (${syscall})${wayOut}`;
}

/** Where it failed, as a full path; the folder of a file that has only its name while it is being written. */
function placeOf({ path, dest }: Partial<Record<'path' | 'dest', string | undefined>>): string | null {
  const place = dest ?? path;
  if (place === undefined) return null;
  const full = resolve(place);
  return /\.(tmp|partial(-\d+)?)$/.test(basename(full)) ? dirname(full) : full;
}

/** Why a folder cannot be made: a recursive `mkdir` says ENOENT for whatever its parent refuses it for. */
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
  // Some calls are closed altogether; Node's own words say which.
  if (flag === undefined) return error.message;
  return `${place === null ? '' : `${place}: `}node --permission does not allow this; add ${flag}`;
}

/** The flag of node's that allows what was refused; undefined where there is none. */
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

/** The folder that must be open for a file or folder to be made in it: one that is there, for Node takes others for files. */
function writtenFolder(place: string): string {
  let folder = dirname(place);
  while (!exists(folder) && dirname(folder) !== folder) folder = dirname(folder);
  return dirname(folder) === folder ? place : folder;
}
