import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { collectLpips, lpipsPath } from '../../../models/weights/lpips.js';
import { lpipsFiles, type PublishedFile } from '../../../models/weights/published.js';
import { loadCheckpoint, saveSafetensors, type Checkpoint } from '../../../torch/io/index.js';
import { sha256File, verifyFile } from '../../../setup/checksum.js';
import { download } from '../../../setup/download.js';
import type { InstallOptions } from '../../../setup/stage.js';
import { unwritable } from '../../../setup/unwritable.js';
import type { Progress } from '../../../setup/progress.js';

export interface WeightsOptions extends Pick<InstallOptions, 'force' | 'allowUnverified' | 'progress'> {
  /** A checkpoint with the weights, or a folder with such files. */
  from: string | undefined;
  signal: AbortSignal;
}

const endings = ['.pth', '.pt', '.ckpt', '.bin', '.safetensors'];

/** Installs LPIPS with its VGG16 into the cache, from a given file, the network, or both. Returns the file's path. */
export async function setupLpips(options: WeightsOptions): Promise<string> {
  const { from, force, allowUnverified, progress, signal } = options;
  const target = lpipsPath();
  if (existsSync(target) && !force && from === undefined) {
    progress.line(`the LPIPS weights are in ${target}`);
    return target;
  }
  const paths = from === undefined ? [] : given(from);
  for (const path of paths) await checkKnown(path, allowUnverified ?? false);
  const open: Checkpoint[] = [];
  const folder = dirname(target);
  const downloads = join(folder, 'downloads');
  try {
    for (const path of paths) open.push(await loadCheckpoint(path));
    for (const part of missingParts(open))
      open.push(await loadCheckpoint(await fetched(part, downloads, progress, signal)));
    const { tensors, missing } = collectLpips(open.map(({ tensors: own }) => own));
    if (tensors === null)
      throw new Error(`the files lack ${missing.length} tensors of LPIPS, such as ${missing[0]}`);
    mkdirSync(folder, { recursive: true });
    await saveSafetensors(target, tensors, {
      metadata: { holds: 'LPIPS 0.1 with VGG16', sources: await namesOf(paths) },
    });
  } catch (error) {
    throw unwritable(error, folder, 'set TESSERA_CACHE to a folder of yours');
  } finally {
    for (const checkpoint of open) checkpoint.close();
  }
  rmSync(downloads, { recursive: true, force: true });
  progress.line(`the LPIPS weights are in ${target}`);
  return target;
}

/** Returns the checkpoints that --from names. */
function given(from: string): string[] {
  if (!existsSync(from)) throw new Error(`--from ${from}: there is no such file or folder`);
  if (!statSync(from).isDirectory()) return [from];
  const names = readdirSync(from).filter((name) => endings.includes(extname(name)));
  if (names.length === 0)
    throw new Error(`--from ${from}: the folder contains no checkpoint (${endings.join(', ')})`);
  return names.sort().map((name) => join(from, name));
}

/** Checks that a file with the name of a published one is that file. */
async function checkKnown(path: string, allowUnverified: boolean): Promise<void> {
  const known = Object.values(lpipsFiles).find(({ file }) => file === basename(path));
  if (known?.sha256 === undefined || allowUnverified) return;
  await verifyFile(path, known.sha256).catch((error: Error) => {
    throw new Error(`${error.message}; add --allow-unverified to accept it`, { cause: error });
  });
}

function missingParts(open: readonly Checkpoint[]): PublishedFile[] {
  const { missing } = collectLpips(open.map(({ tensors }) => tensors));
  const lacks = (start: string) => missing.some((key) => key.startsWith(start));
  return [...(lacks('lin') ? [lpipsFiles.weightings] : []), ...(lacks('net.') ? [lpipsFiles.vgg] : [])];
}

async function fetched(
  { file, url, bytes = 0, sha256, holds }: PublishedFile,
  folder: string,
  progress: Progress,
  signal: AbortSignal,
): Promise<string> {
  const path = join(folder, file);
  mkdirSync(folder, { recursive: true });
  progress.line(`fetching ${holds} from ${url}`);
  try {
    await download(url!, path, { bytes, progress, signal });
  } catch (error) {
    signal.throwIfAborted();
    throw new Error(
      `${url} cannot be fetched (${(error as Error).message}); download ${file} in another way and run: ` +
        'npx tessera-torch setup --weights lpips --from <file or folder>. A training checkpoint of a VQGAN that contains ' +
        'LPIPS works, too',
      { cause: error },
    );
  }
  await verifyFile(path, sha256!, signal).catch((error: unknown) => {
    rmSync(path, { force: true });
    throw error;
  });
  return path;
}

async function namesOf(paths: readonly string[]): Promise<string> {
  const sums = await Promise.all(paths.map(async (path) => `${basename(path)} ${await sha256File(path)}`));
  const published = Object.values(lpipsFiles).map(({ file, sha256 }) => `${file} ${sha256}`);
  return (sums.length > 0 ? sums : published).join(', ');
}
