/** Handling of NaN and infinity in a run: `training.nonFinite`. */
import { newestCheckpoint } from '../../runs/checkpoint.js';
import { NonFiniteError } from '../../runs/error.js';
import { appendMetrics } from '../../runs/folder.js';
import type { Run } from '../../runs/run.js';
import { restoreState, type TrainedState } from '../../runs/state.js';
import type { GradScaler } from '../../torch/amp/index.js';
import type { Tensor } from '../../torch/index.js';
import type { FiniteCheck } from './finite-check.js';
import { figuresOfGradients, leastScale } from './loss-scale.js';

/** Steps with NaN or infinity in a row after which a run that skips them ends. */
const mostSkipped = 20;

/** Times that a run returns to the same checkpoint before it ends. */
const mostReturns = 3;

/** The part of a stage that recovery needs. */
export interface Recoverable {
  readonly check?: FiniteCheck | null;
  readonly scaler?: GradScaler | null;
  state(): TrainedState;
  restored?(): void;
}

/**
 * Reads losses, and applies the policy of a run to values that are not finite.
 *
 * @example
 * ```ts
 * async function takeStep(run: Run, stage: TrainableStage, recovery = new Recovery(run, stage)) {
 *   const { batch } = await stage.next();
 *   const read = recovery.attempt(() => recovery.read(stage.step(batch)));
 *   return read instanceof NonFiniteError ? recovery.rollBack(read) : read.losses;
 * }
 * ```
 */
export class Recovery {
  readonly #run: Run;
  readonly #stage: Recoverable;
  /** Number of times that the run returned to the checkpoint of step `to`. */
  #returns = { to: -1, count: 0 };

  constructor(run: Run, stage: Recoverable) {
    this.#run = run;
    this.#stage = stage;
  }

  get #policy() {
    return this.#run.config.training.nonFinite;
  }

  /**
   * Reads losses as numbers, with a note if steps were skipped. Waits for the device.
   *
   * @throws NonFiniteError that names the first tensor with NaN or infinity, and its step
   */
  read(taken: Record<string, Tensor | number>): { losses: Record<string, number>; remark: string | null } {
    const losses = this.#stage.scaler ? withoutOverflow(taken) : taken;
    const found = this.#stage.check?.report() ?? null;
    if (this.#policy !== 'skip') {
      if (found) throw this.#run.nonFinite(found.what);
      return {
        losses: this.#policy === undefined ? this.#readUnchecked(losses) : this.#run.read(losses),
        remark: null,
      };
    }
    if (found && found.inRow >= mostSkipped) {
      throw this.#run.nonFinite(`${found.what}, and each of the last ${found.inRow} steps was skipped`);
    }
    const read = Object.entries(losses).map(
      ([name, value]) => [name, typeof value === 'number' ? value : value.item()] as const,
    );
    const finite = Object.fromEntries(read.filter(([, value]) => Number.isFinite(value)));
    const skipped = found?.count ?? 0;
    const remark =
      found && `${found.what}; training.nonFinite=skip left out ${skipped} of the steps since the last log`;
    return { losses: { ...finite, skipped }, remark };
  }

  /** Reads the losses of a run that does not look at each step; its error says how to. */
  #readUnchecked(losses: Record<string, Tensor | number>): Record<string, number> {
    try {
      const read = this.#run.read(losses);
      const { scale = 1 } = read;
      if (this.#stage.scaler && scale < leastScale)
        throw this.#run.nonFinite(`gradients overflow float16 although losses are scaled by only ${scale}`);
      return read;
    } catch (error) {
      if (!(error instanceof NonFiniteError)) throw error;
      const way = 'or with training.nonFinite=stop, which names the step and the tensor that it begins with';
      throw new NonFiniteError(`${error.message}, ${way}`);
    }
  }

  /** Calls the function; returns its NonFiniteError if the run then returns to its last checkpoint. */
  attempt<T>(fn: () => T): T | NonFiniteError {
    try {
      return fn();
    } catch (error) {
      if (this.#policy === 'rollback' && error instanceof NonFiniteError) return error;
      throw error;
    }
  }

  /**
   * Restores weights, optimizers and generators of the last checkpoint; steps, schedules and the order of the data go
   * on. Returns a note.
   *
   * @throws the error, if the run has returned to this checkpoint three times
   */
  async rollBack(error: NonFiniteError): Promise<string> {
    const { folder, step, setup } = this.#run;
    const checkpoint = await newestCheckpoint(folder);
    const count = this.#returns.to === checkpoint.step ? this.#returns.count + 1 : 1;
    if (count > mostReturns) throw error;
    this.#returns = { to: checkpoint.step, count };
    const { seed } = this.#run.config.training;
    await restoreState(checkpoint, this.#stage.state(), { ...setup, seed });
    this.#stage.restored?.();
    appendMetrics(folder, { step, rolledBackTo: checkpoint.step });
    const what = error.message.split('. ')[0]!;
    return `${what}; training.nonFinite=rollback goes on with the weights of step ${checkpoint.step} and the next images`;
  }
}

/** Leaves out values computed from gradients that overflowed float16: the step was left out, but its losses are valid. */
function withoutOverflow(losses: Record<string, Tensor | number>): Record<string, Tensor | number> {
  const kept = Object.entries(losses).filter(
    ([name, value]) =>
      !figuresOfGradients.includes(name) || Number.isFinite(typeof value === 'number' ? value : value.item()),
  );
  return Object.fromEntries(kept);
}
