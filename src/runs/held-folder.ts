import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { makeRunFolder } from './folder.js';
import { lockRun } from './lock.js';

/** The folder of a run, held by its lock from `make`, or from the opening of a resumed run, to `release`. */
export class HeldFolder {
  readonly #path: string;
  #unlock: () => void;
  #made = false;

  /** @param unlock releases the lock of a resumed run; does nothing for a new one, which is not locked yet */
  constructor(path: string, unlock: () => void) {
    this.#path = path;
    this.#unlock = unlock;
  }

  /** Makes the folder of a new run and takes its lock. */
  async make(): Promise<void> {
    const existed = existsSync(this.#path);
    await makeRunFolder(this.#path);
    this.#unlock = lockRun(this.#path);
    this.#made = !existed; // With the lock taken, no other process can own the folder.
  }

  release(): void {
    this.#unlock();
  }

  /** Removes the folder if `make` made it. */
  async remove(): Promise<void> {
    if (this.#made) await rm(this.#path, { recursive: true, force: true }).catch(() => {});
  }
}
