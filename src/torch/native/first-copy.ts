import { getEnvironmentData, setEnvironmentData, threadId } from 'node:worker_threads';
import { packageRoot, packageVersion } from '../../files/package.js';

/** A copy of this package: its version and its folder. */
export interface Copy {
  version: string;
  root: string;
}

/** The first copy loaded in a thread, and the addon that it has loaded. */
interface FirstCopy extends Copy {
  thread: number;
  addon: string;
}

// Data of this thread, the same in all its contexts; a worker starts with its parent's.
const KEY = 'tessera-torch';

/** This copy. */
export function thisCopy(): Copy {
  return { version: packageVersion(), root: packageRoot() };
}

/** @throws Error if `first`, another copy in this thread, has another version */
export function requireSameVersion(first: Copy): void {
  const { version, root } = thisCopy();
  if (first.version === version) return;
  throw new Error(
    `two versions of tessera-torch are loaded in one thread, but all copies in a thread share one addon: ${first.version} in ` +
      `${first.root} and ${version} in ${root}. Install one version for both (npm ls tessera-torch shows which package needs ` +
      'which), or use them in separate threads or processes',
  );
}

/**
 * Returns the addon that another copy has loaded in this thread; null if this copy is the first. A second addon would
 * number its own tensors from the start and mistake the first addon's tensors for them.
 * @throws Error if the other copy has another version
 */
export function addonOfThread(): string | null {
  const first = getEnvironmentData(KEY) as FirstCopy | undefined;
  if (first === undefined || first.thread !== threadId) return null;
  requireSameVersion(first);
  return first.addon;
}

/** Records the addon for the copies that load after this one in this thread. */
export function setAddonOfThread(addon: string): void {
  const first: FirstCopy = { ...thisCopy(), thread: threadId, addon };
  setEnvironmentData(KEY, { ...first });
}
