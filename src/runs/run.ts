/** A run from the perspective of a training loop: its folder, lock, clock, metrics and checkpoints. */
import { join } from 'node:path';
import * as torch from '../torch/index.js';
import { readLosses } from './agreement.js';
import { clockOf, recordBeginning } from './beginning.js';
import type { CheckpointState, RunCheckpoint } from './checkpoint.js';
import type { RunClock } from './clock.js';
import type { RunConfig, Stage } from './config.js';
import { DataWait } from './data-wait.js';
import type { NonFiniteError } from './error.js';
import type { CheckpointEvent, ImagesEvent, LogEvent, StartEvent, StepRecord } from './events.js';
import { appendMetrics, type MetricsRecord } from './folder.js';
import { HeldFolder } from './held-folder.js';
import { forgetOldLength, withEpochsInSteps } from './length.js';
import { nonFiniteError } from './non-finite.js';
import { openFolder, type Opened, type RunOpening } from './opening.js';
import { imagesPerStep } from './settings.js';
import { Saving, type RunSaveOptions } from './saving.js';
import { setupOf, type RunSetup } from './setup.js';
import { countTrained, firstNonFinite, restoreState, type TrainedState } from './state.js';
import { Timetable, type RunTask } from './timetable.js';

/**
 * A run in its folder. `open` checks and reads, `start` takes the weights and writes. Then a loop takes steps, calls
 * `tick` after each, and logs and saves when `due` says so. `tessera-torch` can resume, report on and sample from any
 * run trained this way.
 *
 * @example
 * ```ts
 * const { model: section } = await readConfig('model.yaml');
 * const config = { model: section, data: { path: 'photos' }, training: { steps: 1000 } };
 * const run = await Run.open('runs/own', 'vqgan', { new: config });
 * const model = modelFromConfig(run.config.model) as VQModel;
 * const optimizers = { all: new optim.Adam(model.generatorParameters(), { lr: 1e-4 }) };
 * const state = () => ({ model: model.stateDict(), optimizers });
 * await run.start(state()); // or, of a resumed run, reads the newest checkpoint
 * run.begin();
 * while (!run.done) {
 *   const loss = model.forward(torch.zeros([1, 3, 64, 64])).loss; // and an update
 *   run.tick();
 *   if (run.due('log')) console.log(run.log({ losses: { loss }, learningRate: 1e-4 }).losses);
 *   if (run.due('save')) await run.save(state());
 * }
 * run.close();
 * ```
 */
export class Run extends torch.InThread {
  readonly folder: string;
  readonly stage: Stage;
  /** Sentences to show when the run starts. */
  readonly notes: string[] = [];
  /** Checkpoint that a resumed run continues from; null for a new one. */
  readonly checkpoint: (RunCheckpoint & { state: CheckpointState }) | null;
  #config: RunConfig;
  #setup: RunSetup | null = null;
  #saving: Saving | null = null;
  #clock: RunClock | null = null;
  #wait = new DataWait(0, 0);
  readonly #held: HeldFolder;
  #asked = false;
  #closed = false;
  readonly #before: RunConfig['training'];
  #timetable: Timetable | null = null;
  /** True for the process that writes the folder, of several that train the run: the one of rank 0. */
  readonly writes = torch.distributed.rank() === 0;

  private constructor(folder: string, stage: Stage, { config, resumed, release }: Opened) {
    super('a run', 'open it in each thread');
    this.folder = folder;
    this.stage = stage;
    this.#config = config;
    this.checkpoint = resumed?.checkpoint ?? null;
    this.#before = resumed?.training ?? config.training;
    this.#held = new HeldFolder(folder, release);
  }

  /**
   * Checks a new run and its configuration, or opens an existing one and finds its newest checkpoint. Writes nothing.
   *
   * @throws TypeError for an invalid configuration; RunError for an unusable folder
   */
  static async open(folder: string, stage: Stage, opening: RunOpening): Promise<Run> {
    return new Run(folder, stage, await openFolder(folder, stage, opening));
  }

  /** Every setting, as config.yaml records it. */
  get config(): RunConfig {
    return this.#config;
  }

  /** Device, threads, precision and images of the run. @throws Error before `settle` or `start` */
  get setup(): RunSetup {
    if (!this.#setup) throw new Error('the run has no setup yet: call settle or start first');
    return this.#setup;
  }

  /** Sets the configuration with every `auto` resolved, before the run starts. */
  settle(config: RunConfig, setup: RunSetup): void {
    const { device, threads } = setup;
    const settled = { ...config, training: { ...config.training, device, threads } };
    const processes = torch.distributed.worldSize();
    this.#config = withEpochsInSteps(this.stage, settled, setup.images?.images.train, processes);
    this.#setup = setup;
  }

  /**
   * Writes a new run's folder with a first checkpoint, or restores weights, optimizers and random generators of a
   * resumed run.
   *
   * @throws RunError if the folder is in use or not writable
   */
  async start(trained: TrainedState): Promise<void> {
    if (!this.#setup) this.settle(this.#config, setupOf(trained));
    const { folder, stage, setup, notes, checkpoint } = this;
    const training = { ...this.#config.training, precision: setup.precision };
    const config = (this.#config = { ...this.#config, training });
    if (this.writes && checkpoint) forgetOldLength(folder, this.#before, training, checkpoint.step);
    else if (this.writes) await this.#held.make();
    const beginning = { folder, stage, config, setup, notes, checkpoint };
    if (this.writes) await recordBeginning(beginning);
    this.#clock = clockOf(beginning);
    this.#saving = new Saving({ folder, stage, setup, training, last: checkpoint });
    if (checkpoint) await restoreState(checkpoint, trained, { ...setup, seed: training.seed });
    else await this.save(trained);
  }

  get #running(): RunClock {
    if (!this.#clock) throw notStarted();
    return this.#clock;
  }

  /** Number of steps done, including those before a resume. */
  get step(): number {
    return this.#clock?.step ?? this.checkpoint?.step ?? 0;
  }

  /** Completed share of the run, 0 to 1; it does not change between two ticks. */
  get progress(): number {
    return this.#running.progress;
  }

  /** Seconds of training, including those before a resume. */
  get seconds(): number {
    return this.#running.seconds;
  }

  /** True when the run is over. */
  get done(): boolean {
    return this.#running.done || this.stopped !== null;
  }

  /** Reason why the run ends early, by `training.patience`; null if it does not. */
  get stopped(): string | null {
    return this.#saving?.stopped ?? null;
  }

  /** Starts the clock, after all preparation that must not count. */
  begin(signal?: AbortSignal): void {
    if (this.checkpoint) this.append({ step: this.step, resumed: true });
    this.#running.begin();
    this.#wait = new DataWait(this.step, this.seconds);
    this.#timetable = new Timetable(this.config.training).begin(this.#running, signal);
  }

  /** Appends a line to metrics.jsonl. */
  append(record: MetricsRecord): void {
    if (this.writes) appendMetrics(this.folder, record);
  }

  /** Counts a step, and the milliseconds that it waited for images; several processes then agree on what is due. */
  tick(waited = 0, signal?: AbortSignal): void {
    this.#running.tick();
    this.#wait.add(waited, this.step, this.seconds);
    this.#asked = this.#timetable?.agree(this.#running, { signal, asked: this.#asked }) ?? this.#asked;
  }

  /** True if the signal stops the run; in several processes, if one was stopped before its last tick. */
  interrupted(signal?: AbortSignal): boolean {
    return this.#timetable?.stops(signal) ?? false;
  }

  /** True at the steps when `logEvery`, `imagesEvery` or `saveEvery` is due, and at the last. Call once per step. */
  due(task: RunTask): boolean {
    return this.#timetable?.due(task, this.#running) || this.done;
  }

  /** Returns the start event of a run, with the number of parameters that its optimizers train. */
  started(optimizers: TrainedState['optimizers']): StartEvent {
    const { images, device, threads, precision } = this.setup;
    const parameters = countTrained(optimizers);
    const { folder, step, notes } = this;
    const at = { step, folder, device, threads, precision, parameters };
    return { type: 'start', ...at, images: images?.images ?? { train: 0, heldOut: 0 }, notes };
  }

  /**
   * Reads losses as numbers, which waits for the device.
   *
   * @throws NonFiniteError with the last good checkpoint
   */
  read(losses: StepRecord['losses']): Record<string, number> {
    const read = readLosses(losses);
    const bad = Object.entries(read).find(([, value]) => !Number.isFinite(value));
    if (bad) throw this.nonFinite(`the loss "${bad[0]}" is ${bad[1]}`);
    return read;
  }

  /** Appends a step to metrics.jsonl. @throws NonFiniteError with the last good checkpoint */
  log({ learningRate, losses, metrics }: StepRecord): LogEvent {
    const { step, progress, seconds } = this;
    const { rate: stepsPerSecond, eta } = this.#running;
    const dataWait = this.#wait.sinceLast(seconds);
    const at = { step, progress, seconds, learningRate, stepsPerSecond, dataWait };
    const record = { ...at, losses: this.read(losses), ...(metrics && { metrics }) };
    this.append(record);
    const images = imagesPerStep(this.config.training) * torch.distributed.worldSize();
    return { type: 'log', ...record, imagesPerSecond: stepsPerSecond * images, eta };
  }

  /** Returns the share of the time spent waiting for images, once, if it is too high; otherwise null. */
  waitsTooMuch(): number | null {
    return this.#wait.tooMuch(this.step, this.seconds);
  }

  /** Returns the path of this step's image of a kind, such as `samples`. */
  imagePath(kind: string): string {
    return join(this.folder, 'images', `${kind}-${String(this.step).padStart(7, '0')}.png`);
  }

  /** Returns the event for a written image. */
  images(path: string): ImagesEvent {
    return { type: 'images', step: this.step, path };
  }

  /** Asks for a checkpoint after the present step. */
  saveSoon(): void {
    this.#asked = true;
  }

  /** True if a checkpoint was asked for by `saveSoon` and not written since. */
  get asked(): boolean {
    return this.#asked;
  }

  /**
   * Writes a checkpoint with the result of `measure` as its metrics, and removes old ones except the best few.
   *
   * @throws NonFiniteError if a weight is NaN or infinite
   */
  async save(
    trained: TrainedState,
    measure: () => Record<string, number> = () => ({}),
    options: RunSaveOptions = {},
  ): Promise<CheckpointEvent> {
    if (!this.#saving) throw notStarted();
    const bad = firstNonFinite(trained.model);
    if (bad !== null) throw this.nonFinite(`the tensor ${bad} contains NaN or infinity`);
    const metrics = this.writes ? measure() : {};
    this.#asked = false;
    const { step, seconds, progress } = this;
    const { path } = await this.#saving.save(trained, metrics, { step, seconds, progress }, options);
    return { type: 'checkpoint', step, path };
  }

  /** Checkpoint of this step, if it was saved. */
  get saved(): RunCheckpoint | null {
    return this.#saving?.at(this.step) ?? null;
  }

  /** Returns the error for NaN or infinity in training, with what to do. */
  nonFinite(what: string): NonFiniteError {
    return nonFiniteError(this.folder, `step ${this.step}: ${what}`, this.config.training.learningRate);
  }

  /** True after `close`. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Releases the lock, without another checkpoint. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#clock?.close();
    this.#held.release();
  }

  /** Closes the run, and removes its folder if the run could not start. */
  async abandon(): Promise<void> {
    this.close();
    await this.#held.remove();
  }
}

const notStarted = () => new Error('the run has not started: call start first');
