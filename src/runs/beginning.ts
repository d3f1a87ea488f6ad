/** Beginning of a run: the files that it writes when it begins or is resumed, and its clock. */
import type { CheckpointState } from './checkpoint.js';
import { RunClock } from './clock.js';
import type { RunConfig, Stage } from './config.js';
import { progressJournal, writeConfig, writeEnvironment } from './folder.js';
import { severalProcesses, type RunSetup } from './setup.js';
import * as torch from '../torch/index.js';

/** A run at its beginning. */
export interface Beginning {
  folder: string;
  stage: Stage;
  config: RunConfig;
  setup: RunSetup;
  notes: readonly string[];
  /** Checkpoint that a resumed run continues from; null for a new one. */
  checkpoint: { step: number; state: CheckpointState } | null;
}

/** Records the configuration and the environment of a run. */
export async function recordBeginning({ folder, stage, config, setup, notes, checkpoint }: Beginning) {
  const { device, threads, precision } = setup;
  await writeConfig(folder, stage, config);
  const resumed = checkpoint && { resumedFrom: checkpoint.step };
  await writeEnvironment(folder, { device, threads, precision, ...severalProcesses(), notes, ...resumed });
}

/** Returns the clock of a run, at the step and time of its checkpoint. */
export function clockOf({ folder, config, checkpoint }: Beginning): RunClock {
  const { steps, minutes } = config.training;
  const { step = 0, seconds = 0 } = (checkpoint?.state ?? {}) as { step?: number; seconds?: number };
  // Of several processes, the first one's clock counts.
  const journal = torch.distributed.rank() === 0 ? { journal: progressJournal(folder) } : {};
  return new RunClock({ steps, minutes }, { step, seconds, ...journal });
}
