import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import * as yauzl from 'yauzl';
import type { Progress } from './progress.js';

export interface UnpackOptions {
  /** Returns the target path of a member below the folder, or null to leave it out. */
  select: (member: string) => string | null;
  progress?: Progress;
  signal?: AbortSignal | undefined;
}

const FILE_TYPE = 0o170000;
const SYMBOLIC_LINK = 0o120000;

/**
 * Unpacks the selected members of a zip file or wheel into a folder and returns their number.
 * @throws Error if the file is not a complete zip, or if a member is a link or would be written outside the folder
 */
export async function unpack(archive: string, folder: string, options: UnpackOptions): Promise<number> {
  const zip = await yauzl
    .openPromise(archive, { autoClose: false, lazyEntries: true })
    .catch((cause: Error) => {
      throw new Error(`${archive} is not a complete zip file (${cause.message})`, { cause });
    });
  try {
    return await unpackEntries(zip, resolve(folder), options);
  } finally {
    zip.close();
  }
}

async function unpackEntries(zip: yauzl.ZipFile, folder: string, options: UnpackOptions): Promise<number> {
  const { select, progress, signal } = options;
  const made = new Set<string>();
  let count = 0;
  let seen = 0;
  for await (const entry of zip.eachEntry()) {
    signal?.throwIfAborted();
    progress?.step('unpacking', ++seen, zip.entryCount);
    if (entry.fileName.endsWith('/')) continue;
    const target = select(entry.fileName);
    if (target === null) continue;
    const path = safePath(folder, target, entry.fileName);
    if (((entry.externalFileAttributes >>> 16) & FILE_TYPE) === SYMBOLIC_LINK) {
      throw new Error(
        `the archive's member ${entry.fileName} is a symbolic link; libtorch archives contain none`,
      );
    }
    const parent = dirname(path);
    if (!made.has(parent)) await mkdir(parent, { recursive: true });
    made.add(parent);
    await pipeline(await zip.openReadStreamPromise(entry), createWriteStream(path), { signal });
    count++;
  }
  return count;
}

/** Checks a target path: yauzl already refuses `..` and absolute names, but `select` could return others. */
function safePath(folder: string, target: string, member: string): string {
  const path = join(folder, target);
  const inside = relative(folder, path);
  if (inside === '' || inside === '..' || inside.startsWith(`..${sep}`)) {
    throw new Error(`the archive's member ${member} would be written outside ${folder}`);
  }
  return path;
}

/** Libraries of a libtorch archive that only Python or PyTorch's own tests load. */
const UNNEEDED =
  /^(lib)?(torch_python|shm|torch_global_deps|aoti_custom_ops|backend_with_compiler|jitbackend_test|torchbind_test)\b/;

const LIBRARY = /(\.so(\.\d+)*|\.dylib|\.dll|\.lib)$/;

/**
 * Selects what the addon needs from a libtorch zip (`libtorch/…`) or a wheel (`torch/…`): libraries, headers and the
 * version. Returns paths relative to the libtorch root.
 */
export function selectLibtorch(member: string): string | null {
  const inner = /^(?:libtorch|torch)\/(.+)$/.exec(member)?.[1];
  if (!inner) return null;
  if (inner.startsWith('include/') || inner === 'build-version' || inner === 'version.py') return inner;
  const library = /^lib\/([^/]+)$/.exec(inner)?.[1];
  return library && LIBRARY.test(library) && !UNNEEDED.test(library) ? inner : null;
}

/** Selects the shared libraries of NVIDIA's wheels; the CUDA wheel looks for them in `nvidia/` next to `torch/`. */
export function selectNvidia(member: string): string | null {
  return member.startsWith('nvidia/') && LIBRARY.test(member) ? member : null;
}
