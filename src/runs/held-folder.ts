/** The folder of a run for the process that writes it: made, locked, and removed if the run could not start. */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { forgetProgress } from './clock.js';
import type { RunConfig, Stage, TrainingConfig } from './config.js';
import { makeRunFolder, progressJournal, writeConfig, writeEnvironment } from './folder.js';
import { lockRun } from './lock.js';
import type { Opened } from './opening.js';

/** What a run that starts writes. */
export interface RunStart {
  stage: Stage;
  config: RunConfig;
  /** Written to environment.json. */
  details: Record<string, unknown>;
}

export class HeldFolder {
  readonly path: string;
  readonly #resumed: Opened['resumed'];
  #release: () => void;
  #made = false;

  /** @param release releases the lock of a resumed run */
  constructor(path: string, release: () => void, resumed: Opened['resumed']) {
    this.path = path;
    this.#resumed = resumed;
    this.#release = release;
  }

  /** Makes a new run's folder; writes the configuration and the environment. */
  async start({ stage, config, details }: RunStart): Promise<void> {
    const resumed = this.#resumed;
    if (resumed) this.#forgetOldLength(resumed.checkpoint.step, resumed.training, config.training);
    else await this.#make();
    await writeConfig(this.path, stage, config);
    await writeEnvironment(this.path, {
      ...details,
      ...(resumed && { resumedFrom: resumed.checkpoint.step }),
    });
  }

  async #make(): Promise<void> {
    const existed = existsSync(this.path);
    await makeRunFolder(this.path);
    this.#release = lockRun(this.path);
    this.#made = !existed; // With the lock taken, no other process can own the folder.
  }

  /** Called before the new length is written: a process that dies in between resumes with the old one. */
  #forgetOldLength(step: number, before: TrainingConfig, { steps, minutes }: TrainingConfig): void {
    if (before.steps === steps && before.minutes === minutes) return;
    forgetProgress(progressJournal(this.path), step);
  }

  /** Releases the lock. */
  release(): void {
    this.#release();
  }

  /** Removes the folder if this run made it. */
  async remove(): Promise<void> {
    if (this.#made) await rm(this.path, { recursive: true, force: true }).catch(() => {});
  }
}
