/** Common base of `VqganTrainer` and `TransformerTrainer`: a started run with its stage, which `train` trains. */
import type { RunConfig } from '../runs/config.js';
import type { TrainingEvent } from '../runs/events.js';
import type { RunOpening } from '../runs/opening.js';
import type { Run } from '../runs/run.js';
import { countTrained } from '../runs/state.js';
import { seedOwn } from '../runs/generators.js';
import * as torch from '../torch/index.js';
import { shareWeights } from './engine/data-parallel.js';
import type { TrainerOptions } from './images.js';
import { openSession, type Session } from './session.js';
import type { TrainableStage, StageKind } from './stage.js';
import { closeTraining, train } from './train.js';

/** Description of a run, determined without writing anything. */
export interface RunPlan {
  /** Every setting as the run would record it, except a precision that is measured. */
  config: RunConfig;
  device: torch.Device;
  /** Number of training and held-out images. */
  images: { train: number; heldOut: number };
  /** Number of trained parameters. */
  parameters: number;
  /** Notes that the run would report when it starts. */
  notes: string[];
}

/** A run with the stage that it trains. */
export interface Training<S> {
  session: Session;
  stage: S;
}

/**
 * Opens and starts a run: writes the first checkpoint of a new run, or restores the stage from the newest one of a
 * resumed run. A dry run only builds the stage.
 */
export async function openTraining<S extends TrainableStage>(
  kind: StageKind<S>,
  folder: string,
  opening: RunOpening & { dry?: boolean },
  options: TrainerOptions,
): Promise<Training<S>> {
  const session = await openSession(kind, folder, opening, options);
  const { run } = session;
  let stage: S | null = null;
  try {
    stage = await kind.build(session);
    shareWeights(stage.state());
    seedOwn(run.config.training.seed);
    if (!opening.dry) await run.start(stage.state());
    return { session, stage };
  } catch (error) {
    await (stage ? closeTraining(run, stage) : session.close());
    await run.abandon();
    throw error;
  }
}

/** Does everything that precedes a run's first step, without writing anything. */
export async function planTraining(
  kind: StageKind<TrainableStage>,
  config: unknown,
  { run: folder, ...options }: TrainerOptions & { run: string },
): Promise<RunPlan> {
  const { session, stage } = await openTraining(kind, folder, { new: config, dry: true }, options);
  const { run, device, train: images, heldOut } = session;
  const parameters = countTrained(stage.state().optimizers);
  await closeTraining(run, stage);
  const counts = { train: images.length, heldOut: heldOut.length };
  return { config: run.config, device, images: counts, parameters, notes: run.notes };
}

/** A run in its folder, with the model that it trains. */
export abstract class Trainer<Batch> extends torch.InThread {
  readonly #training: Training<TrainableStage<Batch>>;

  protected constructor(training: Training<TrainableStage<Batch>>) {
    super('a trainer', 'open the run in each thread');
    this.#training = training;
  }

  /** Every setting, as config.yaml records it. */
  get config(): RunConfig {
    return this.#training.session.run.config;
  }

  get folder(): string {
    return this.#training.session.run.folder;
  }

  /** Number of steps done. */
  get step(): number {
    return this.#training.session.run.step;
  }

  /**
   * Trains to the end, or until the signal aborts: the current step is then finished and saved. Breaking out of the
   * loop over the events stops immediately, without saving.
   *
   * @throws NonFiniteError with the last good checkpoint
   */
  run(options: { signal?: AbortSignal } = {}): AsyncGenerator<TrainingEvent, void, undefined> {
    return train(this.#training.session.run, this.#training.stage, options);
  }

  /** The started run and the stage that it trains, for a loop of your own instead of `run`. */
  get training(): { run: Run; stage: TrainableStage<Batch> } {
    const { session, stage } = this.#training;
    return { run: session.run, stage };
  }

  /** Saves a checkpoint after the present step, and trains on. */
  saveSoon(): void {
    this.#training.session.run.saveSoon();
  }

  /** Ends the run without another checkpoint; `run` does this automatically. */
  close(): Promise<void> {
    return closeTraining(this.#training.session.run, this.#training.stage);
  }
}
