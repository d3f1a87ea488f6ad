/** Saves the last whole step of a run that an error ends. */
import type { CheckpointEvent, NoteEvent } from '../../runs/events.js';
import { NonFiniteError } from '../../runs/error.js';
import type { Run } from '../../runs/run.js';
import type { TrainedState } from '../../runs/state.js';
import * as torch from '../../torch/index.js';
import type { TrainableStage } from '../stage.js';

/**
 * Returns a function that gives the state of the last whole step while the next batch is read: with the position before
 * that batch, so that a resumed run reads it again. Null if the stage does not report its position.
 */
export function wholeWhileReading(
  stage: Pick<TrainableStage, 'position' | 'state'>,
): (() => TrainedState) | null {
  const position = stage.position?.();
  return position === undefined ? null : () => ({ ...stage.state(), data: position });
}

/**
 * Saves the last whole step of a run that an error is about to end, unless it is saved already. Removes no checkpoint, and
 * saves nothing after NaN or infinity.
 *
 * @param whole returns the state of that step; null if the error occurred in the middle of one
 */
export async function* rescued(
  run: Run,
  whole: (() => TrainedState) | null,
  error: unknown,
): AsyncGenerator<CheckpointEvent | NoteEvent, void, undefined> {
  // The other processes do not know: they would wait for what this one does not take part in.
  if (torch.distributed.worldSize() > 1) return;
  if (whole === null || error instanceof NonFiniteError || run.saved !== null) return;
  let saved: CheckpointEvent;
  try {
    saved = await run.save(whole(), undefined, { counts: false, prunes: false });
  } catch {
    return; // The error that ends the run says more than what follows from it.
  }
  const { step, path } = saved;
  yield saved;
  const message = `an error ends the run after step ${step}, which is saved in ${path}: resume the run once it is fixed`;
  yield { type: 'note', step, message };
}
