/** Opens a run folder for a new run or to resume the existing one. */
import { newestCheckpoint, removePartialCheckpoints } from './checkpoint.js';
import type { CheckpointState, RunCheckpoint } from './checkpoint.js';
import { withChanges } from './config-changes.js';
import { isForeign, resolveConfig, type RunConfig, type Stage } from './config.js';
import { RunError } from './error.js';
import { checkRunIsNew, checkWritable, readConfig } from './folder.js';
import { checkUnlocked, lockRun } from './lock.js';
import * as torch from '../torch/index.js';

/**
 * Starts a new run with a configuration { model, data, training }, or resumes one with the few keys that may change.
 */
export type RunOpening = { new: unknown } | { resume: unknown };

/** An opened run folder, or one that is yet to be created. */
export interface Opened {
  config: RunConfig;
  /** Newest checkpoint and settings of a resumed run; null for a new one. */
  resumed: {
    checkpoint: RunCheckpoint & { state: CheckpointState };
    training: RunConfig['training'];
  } | null;
  release: () => void;
}

/**
 * Checks that a run can start, or takes the lock of a resumed one. Of several processes that train a run, only the first
 * one locks its folder.
 */
export async function openFolder(run: string, stage: Stage, opening: RunOpening): Promise<Opened> {
  const opened = await checkedFolder(run, stage, opening);
  // Before one of the processes makes the folder that the others must not find.
  if (torch.distributed.worldSize() > 1) torch.distributed.barrier();
  return opened;
}

async function checkedFolder(run: string, stage: Stage, opening: RunOpening): Promise<Opened> {
  if (!('new' in opening)) return resume(run, stage, opening.resume);
  checkRunIsNew(run);
  checkUnlocked(run);
  checkWritable(run);
  // The images of a new run cannot have changed.
  const { data, ...rest } = resolveConfig(stage, opening.new);
  const { changed: _, ...kept } = data;
  return { config: { ...rest, data: kept }, resumed: null, release: () => {} };
}

async function resume(run: string, stage: Stage, changes: unknown): Promise<Opened> {
  const { stage: found, ...stored } = await readConfig(run);
  if (found !== stage)
    throw new RunError(
      `${run} is the run of a ${found}, not of a ${stage}; resume it with: npx tessera-torch train ${found} --resume ${run}`,
    );
  if (isForeign(stored)) {
    throw new RunError(
      `${run} was imported, not trained here, so there is nothing to resume; begin a new run with its weights: ` +
        `npx tessera-torch train ${stage} --from ${run}`,
    );
  }
  const config = withChanges(stage, stored, changes);
  const writes = torch.distributed.rank() === 0;
  const release = writes ? lockRun(run) : () => {};
  try {
    if (writes) await removePartialCheckpoints(run);
    const checkpoint = await newestCheckpoint(run);
    return { config, resumed: { checkpoint, training: stored.training }, release };
  } catch (error) {
    release();
    throw error;
  }
}
