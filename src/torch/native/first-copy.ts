import { getEnvironmentData, setEnvironmentData, threadId } from 'node:worker_threads';
import { packageRoot, packageVersion } from '../../files/package.js';

/** A copy of this package: its version, and where it lies. */
export interface Copy {
  version: string;
  root: string;
}

/** The copy that came first in a thread, and the addon that it has loaded. */
interface FirstCopy extends Copy {
  thread: number;
  addon: string;
}

// A thread's own data, the same in all its contexts; a worker begins with its parent's.
const KEY = 'tessera-torch';

/** This copy. */
export function thisCopy(): Copy {
  return { version: packageVersion(), root: packageRoot() };
}

/** @throws Error where `first`, another copy in this thread, is of another version */
export function requireSameVersion(first: Copy): void {
  const { version, root } = thisCopy();
  if (first.version === version) return;
  throw new Error(
    `two versions of tessera-torch are loaded in one thread, where all copies work on one addon: ${first.version} in ` +
      `${first.root} and ${version} in ${root}. Install one version for both (npm ls tessera-torch shows who asks for ` +
      'which), or use them in threads or processes of their own',
  );
}

/**
 * The addon that another copy has loaded in this thread; null where this is the first. A second addon would have tensors of
 * its own under the same numbers, and take the first's tensors for them.
 * @throws Error where the other copy is of another version
 */
export function addonOfThread(): string | null {
  const first = getEnvironmentData(KEY) as FirstCopy | undefined;
  if (first === undefined || first.thread !== threadId) return null;
  requireSameVersion(first);
  return first.addon;
}

/** Says to the copies that come after this one in this thread which addon they take. */
export function setAddonOfThread(addon: string): void {
  const first: FirstCopy = { ...thisCopy(), thread: threadId, addon };
  setEnvironmentData(KEY, { ...first });
}
