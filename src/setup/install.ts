import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { verifyFile } from './checksum.js';
import { download } from './download.js';
import { fetchLocal } from './from-local.js';
import { withLock } from '../files/lock.js';
import { replaceFolder } from '../files/folder.js';
import type { Stamp } from './locate.js';
import { LIBTORCH_VERSION, STAMP_FILE, cachedInstallations, installFolder, libtorchRoot } from './locate.js';
import { archivesFor, type Archive } from './manifest.js';
import { downloadNvidiaWheels, downloadWheel } from './pip.js';
import { cacheRoot, platformName } from './platform.js';
import { formatBytes } from './progress.js';
import { checkSpace, unpackArchive, type InstallOptions } from './stage.js';
import { selectNvidia, unpack } from './unpack.js';
import { unwritable } from './unwritable.js';

/**
 * Installs libtorch into the cache and returns the installation's folder. Everything happens in a staging
 * folder that is renamed at the end, so an installation is either complete or absent.
 * @throws Error if no source works; the message lists each with its reason
 */
export async function installLibtorch(options: InstallOptions): Promise<string> {
  const { progress, signal } = options;
  const cache = options.cache ?? cacheRoot();
  const parent = join(cache, 'libtorch');
  // Checked before anything is written: a complete cache may be shared and read-only.
  const present = findPresent(options, cache);
  if (present !== null) return present;
  const onWait = (holder: string) => progress.line(`another set-up is running (${holder}); waiting for it`);
  const install = () => installLocked(options, cache, parent);
  try {
    await mkdir(parent, { recursive: true });
    return await withLock(join(parent, '.lock'), install, { onWait, signal });
  } catch (error) {
    throw unwritable(error, parent, 'set TESSERA_CACHE to a folder of yours');
  }
}

async function installLocked(options: InstallOptions, cache: string, parent: string): Promise<string> {
  const { progress, signal } = options;
  const present = findPresent(options, cache);
  if (present !== null) return present;
  // This process holds the lock, so an existing staging folder was left by a process that was killed.
  for (const name of await readdir(parent)) {
    if (name.startsWith('.staging-')) await rm(join(parent, name), { recursive: true, force: true });
  }
  const staging = await mkdtemp(join(parent, '.staging-'));
  try {
    const tree = join(staging, 'tree');
    const staged = options.from ? await fetchLocal(options, tree) : await fetchRemote(options, staging, tree);
    if (!libtorchRoot(join(tree, staged.root))) {
      throw new Error('the archive contains no libtorch libraries for this platform');
    }
    await writeFile(join(tree, STAMP_FILE), `${JSON.stringify(staged, null, 2)}\n`);
    signal?.throwIfAborted();
    const target = installFolder(staged.flavor, staged.version, cache);
    await replaceFolder(tree, target, STAMP_FILE);
    progress.line(`libtorch ${staged.version} (${staged.flavor}) is in ${target}`);
    return target;
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

/** Returns the folder of the requested installation if it exists and need not be made again, else null. */
function findPresent({ flavor, force, from }: InstallOptions, cache: string): string | null {
  if (force || from !== undefined) return null;
  const fitting = cachedInstallations(cache).filter(({ stamp }) => stamp.flavor === flavor);
  const pinned = fitting.find(({ stamp }) => stamp.version === LIBTORCH_VERSION);
  return (pinned ?? fitting[0])?.folder ?? null;
}

/** Tries the manifest's archives in order. A source that fails is reported in one line; if all fail, throws. */
async function fetchRemote(options: InstallOptions, staging: string, tree: string): Promise<Stamp> {
  const { flavor, progress, signal } = options;
  const listed = options.archives ?? archivesFor(platformName(), flavor);
  const archives = listed.filter((archive) => archive.url ?? archive.pip);
  if (archives.length === 0) {
    throw new Error(
      `no ${flavor} libtorch is listed for ${platformName()}; unpack libtorch ${LIBTORCH_VERSION} yourself and ` +
        `set LIBTORCH to its folder`,
    );
  }
  const failures: string[] = [];
  for (const archive of archives) {
    const downloads = join(staging, 'downloads');
    try {
      await mkdir(downloads, { recursive: true });
      await checkSpace(staging, archive.bytes + archive.unpackedBytes);
      return await fetchArchive(archive, downloads, tree, options);
    } catch (error) {
      signal?.throwIfAborted();
      const line = `${sourceName(archive)}: ${error instanceof Error ? error.message : String(error)}`;
      failures.push(line);
      progress.line(line);
      await rm(tree, { recursive: true, force: true });
      await rm(downloads, { recursive: true, force: true });
    }
  }
  throw new Error(
    `libtorch could not be fetched from any source:\n${failures.map((line) => `  ${line}`).join('\n')}\n` +
      `Fetch ${archives.map((archive) => archive.file).join(' or ')} on a machine with access, then run: ` +
      `npx tessera-torch setup --from FILE`,
  );
}

function sourceName(archive: Archive): string {
  return archive.url ? `official archive (${new URL(archive.url).host})` : 'wheel through pip';
}

async function fetchArchive(
  archive: Archive,
  downloads: string,
  tree: string,
  { progress, signal }: InstallOptions,
): Promise<Stamp> {
  progress.line(`fetching ${archive.file} (${formatBytes(archive.bytes)}): ${sourceName(archive)}`);
  let path = join(downloads, archive.file);
  if (archive.url) await download(archive.url, path, { bytes: archive.bytes, progress, signal });
  else path = await downloadWheel(archive, downloads, signal);
  await verifyFile(path, archive.sha256, signal);
  const staged = await unpackArchive(archive, path, tree, progress, signal);
  if (archive.flavor === 'cuda' && archive.kind === 'wheel') {
    const wheels = join(downloads, 'nvidia');
    await mkdir(wheels);
    progress.line("fetching NVIDIA's libraries (2.2 GB) through pip; NVIDIA's licence terms apply to them");
    for (const wheel of await downloadNvidiaWheels(path, archive, wheels, signal)) {
      await unpack(wheel, tree, { select: selectNvidia, signal });
      await rm(wheel);
    }
  }
  return staged;
}
