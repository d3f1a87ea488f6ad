import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import * as yauzl from 'yauzl';
import type { Archive } from './manifest.js';
import { commandVersion, run } from './run.js';

/**
 * Downloads a wheel with the user's own pip, and so with their indexes, proxies and certificates; installs nothing.
 * Returns the path of the wheel.
 */
export async function downloadWheel(archive: Archive, folder: string, signal?: AbortSignal): Promise<string> {
  if (!archive.pip) throw new Error(`${archive.file} is not offered through pip`);
  await requirePip();
  await pipDownload([archive.pip.requirement], archive.pip, folder, ['--no-deps'], signal);
  const wheel = (await readdir(folder)).find((name) => name.endsWith('.whl'));
  if (!wheel) throw new Error(`pip downloaded no wheel for ${archive.pip.requirement}`);
  return join(folder, wheel);
}

/**
 * Downloads the NVIDIA wheels that a CUDA wheel's metadata requires, in the versions it names. pip checks their sums
 * against its index. Returns their paths.
 */
export async function downloadNvidiaWheels(
  wheel: string,
  archive: Archive,
  folder: string,
  signal?: AbortSignal,
): Promise<string[]> {
  const requirements = nvidiaRequirements(await wheelMetadata(wheel));
  if (requirements.length === 0 || !archive.pip) return [];
  await pipDownload(requirements, archive.pip, folder, [], signal);
  const names = await readdir(folder);
  return names.filter((name) => /^nvidia[_-].*\.whl$/.test(name)).map((name) => join(folder, name));
}

async function requirePip(): Promise<void> {
  if ((await commandVersion('python3')) === null) {
    throw new Error('python3 is not installed (on Debian and Ubuntu: sudo apt-get install python3-pip)');
  }
  if ((await commandVersion('python3', ['-m', 'pip', '--version'])) === null) {
    throw new Error('python3 has no pip (on Debian and Ubuntu: sudo apt-get install python3-pip)');
  }
}

async function pipDownload(
  requirements: string[],
  { index, python }: NonNullable<Archive['pip']>,
  folder: string,
  extra: string[],
  signal?: AbortSignal,
): Promise<void> {
  // Few retries: an index that cannot be reached should cost only seconds, as the others may answer.
  const patience = ['--retries', '1', '--timeout', '10'];
  const quiet = ['--no-input', '--disable-pip-version-check', '--progress-bar', 'off'];
  const wheels = ['--only-binary=:all:', '--python-version', python, '--extra-index-url', index];
  const options = [...extra, ...wheels, ...patience, ...quiet, '--dest', folder];
  const args = ['-m', 'pip', 'download', ...options, ...requirements];
  const result = await run('python3', args, { signal });
  if (result.code !== 0) throw new Error(pipReason(result.stderr) ?? `pip ended with code ${result.code}`);
}

/** Returns the first ERROR line of pip's output, which names the cause; the last mostly repeats it. */
export function pipReason(stderr: string): string | null {
  const line = stderr.split('\n').find((text) => text.startsWith('ERROR:'));
  return line ? line.slice('ERROR:'.length).trim().slice(0, 300) : null;
}

/** Returns the requirements on NVIDIA's libraries in a wheel's METADATA, without their environment markers. */
export function nvidiaRequirements(metadata: string): string[] {
  const pattern = /^Requires-Dist:\s*((?:nvidia-|cuda-toolkit)[^;]*)/gm;
  return [...metadata.matchAll(pattern)].map((match) => match[1]?.trim() ?? '').filter(Boolean);
}

async function wheelMetadata(wheel: string): Promise<string> {
  const zip = await yauzl.openPromise(wheel, { autoClose: false, lazyEntries: true });
  try {
    for await (const entry of zip.eachEntry()) {
      if (!/^[^/]+\.dist-info\/METADATA$/.test(entry.fileName)) continue;
      return await text(await zip.openReadStreamPromise(entry));
    }
  } finally {
    zip.close();
  }
  throw new Error(`${wheel} is not a wheel: it has no METADATA`);
}
