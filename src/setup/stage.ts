import { statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { Flavor, Stamp } from './locate.js';
import type { Archive } from './manifest.js';
import { formatBytes, type Progress } from './progress.js';
import { selectLibtorch, unpack } from './unpack.js';

export interface InstallOptions {
  flavor: Flavor;
  progress: Progress;
  /** Cache folder to install into; the user's cache by default. */
  cache?: string;
  /** A zip, a wheel, an unpacked libtorch, or a folder that contains one of these. */
  from?: string | undefined;
  /** Accept a file whose SHA-256 is not in the manifest (only with `from`). */
  allowUnverified?: boolean | undefined;
  /** Install again even if a complete installation exists. */
  force?: boolean | undefined;
  signal?: AbortSignal | undefined;
  /** Archives to try, the manifest's by default. */
  archives?: Archive[];
}

/** Unpacks a libtorch archive; one for CUDA keeps the layout of site-packages, in which its RPATHs hold. */
export async function unpackArchive(
  archive: Pick<Archive, 'flavor' | 'version' | 'sha256'>,
  path: string,
  tree: string,
  progress: Progress,
  signal?: AbortSignal,
): Promise<Stamp> {
  const root = archive.flavor === 'cuda' ? 'torch' : '.';
  await unpack(path, join(tree, root), { select: selectLibtorch, progress, signal });
  return { version: archive.version, flavor: archive.flavor, sha256: archive.sha256, root };
}

/**
 * Checks the free disk space.
 * @throws Error if the file system of `folder` has less than `needed` bytes free
 */
export async function checkSpace(folder: string, needed: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const free = bavail * bsize;
  if (free >= needed) return;
  throw new Error(
    `not enough disk space: ${formatBytes(needed)} are needed below ${folder}, ${formatBytes(free)} are free; ` +
      `free some, or set TESSERA_CACHE to a folder on another disk`,
  );
}
