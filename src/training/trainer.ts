/** The loop of both trainings: schedule, steps, figures, pictures, checkpoints. `VqganTrainer` and `TransformerTrainer` say what a step is. */
import { join } from 'node:path';
import { bestBy } from '../metrics/definitions.js';
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import { bestCheckpoint, listCheckpoints, pruneCheckpoints, writeCheckpoint } from '../runs/checkpoint.js';
import type { RunCheckpoint } from '../runs/checkpoint.js';
import type { RunConfig } from '../runs/config.js';
import { every } from '../runs/every.js';
import type { TrainingEvent } from '../runs/events.js';
import { modelCard } from '../reports/model-card.js';
import { learningRateAt, RunClock } from '../runs/clock.js';
import { NonFiniteError } from '../runs/error.js';
import { appendMetrics, progressJournal, replaceFile } from '../runs/folder.js';
import { imagesState, type ImagesState } from './session-images.js';
import { keepingGenerators, type RunPlan, type Session } from './session.js';
import { firstNonFinite, optimizerState, restoreState, type TrainedState } from '../runs/state.js';

export type Figures = Record<string, number>;

export abstract class Trainer<Batch> extends torch.InThread {
  readonly config: RunConfig;
  readonly folder: string;
  protected readonly session: Session;
  protected readonly clock: RunClock;
  readonly #images: ImagesState;
  #closed = false;
  #metrics: Figures = {};
  #evaluated = -1;

  protected constructor(session: Session) {
    super('a trainer', 'open the run in each thread');
    this.session = session;
    this.config = session.config;
    this.folder = session.folder;
    this.#images = imagesState(session);
    const { steps, minutes } = session.config.training;
    const state = session.checkpoint?.state;
    this.clock = new RunClock(
      { steps, minutes },
      {
        step: state?.step ?? 0,
        seconds: (state?.['seconds'] as number | undefined) ?? 0,
        ...(!session.dry && { journal: progressJournal(session.folder) }),
      },
    );
  }

  /** Steps done. */
  get step(): number {
    return this.clock.step;
  }

  /** What is saved; the same object's tensors are restored. */
  protected abstract trained(): TrainedState;
  /** Position in the data, to be given to the next run. */
  protected abstract dataState(): unknown;
  /** Work before the first step that a checkpoint need not wait for. */
  protected abstract prepare(signal: AbortSignal | undefined): Promise<void>;
  protected abstract nextBatch(): Promise<{ batch: Batch; waited: number }>;
  /** One update; the losses stay on the device. */
  protected abstract trainOn(batch: Batch): Record<string, Tensor | number>;
  protected abstract release(batch: Batch): void;
  /** Returns a note on the step just done, or null. */
  protected remark(): string | null {
    return null;
  }
  /** Figures on the fixed validation set; empty where nothing is held out. */
  protected abstract evaluate(): Figures;
  /** Figures on all held-out pictures. */
  protected abstract evaluateAll(): Promise<Figures>;
  /** Writes a grid of pictures; its path, or null where there is nothing to show. */
  protected abstract writeImages(): Promise<string | null>;
  /** Releases what the stage opened. */
  protected abstract closeStage(): void;

  /** First checkpoint of a new run, or weights and generators of a resumed one. */
  protected async open(): Promise<this> {
    try {
      const { checkpoint } = this.session;
      if (checkpoint) await restoreState(checkpoint, this.trained(), this.session.device);
      else await this.#save();
      return this;
    } catch (error) {
      await this.close();
      await this.session.abandon();
      throw error;
    }
  }

  /** What there is to say of a dry run, which ends here. */
  protected async endPlan(): Promise<RunPlan> {
    const { config, device, train, heldOut, notes } = this.session;
    const images = { train: train.length, heldOut: heldOut.length };
    const parameters = this.#countParameters();
    await this.close();
    return { config, device, images, parameters, notes };
  }

  #countParameters(): number {
    return Object.values(this.trained().optimizers)
      .flatMap((optimizer) => optimizer.paramGroups.flatMap(({ params }) => params))
      .reduce((sum, parameter) => sum + parameter.numel(), 0);
  }

  /** Ends the run without another checkpoint; `run` does this by itself. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.closeStage();
    this.clock.close();
    await this.session.close();
  }

  /**
   * Trains to the end, or until the signal aborts: then the step is finished and saved. Breaking out of the loop over
   * the events stops at once, without saving.
   *
   * @throws NonFiniteError naming the last good checkpoint
   */
  async *run({ signal }: { signal?: AbortSignal } = {}): AsyncGenerator<TrainingEvent, void, undefined> {
    const { config, folder, clock, session } = this;
    const { training } = config;
    const due = {
      log: every(training.logEvery, true),
      images: every(training.imagesEvery),
      save: every(training.saveEvery),
    };
    let saved = clock.step;
    try {
      yield this.#startEvent();
      await this.prepare(signal);
      if (session.checkpoint) appendMetrics(folder, { step: clock.step, resumed: true });
      clock.begin();
      const begun = { step: clock.step, seconds: clock.seconds, waited: 0 };
      let logged = { seconds: clock.seconds, waited: 0 };
      let waited = 0;
      let saidSlow = false;
      while (!clock.done && !signal?.aborted) {
        const learningRate = this.#setLearningRate();
        const next = await this.nextBatch();
        waited += next.waited / 1000;
        const { losses, saving } = torch.scope(() => {
          const log = this.trainOn(next.batch);
          clock.tick();
          const saves = due.save(clock) || clock.done || signal?.aborted === true;
          return { losses: due.log(clock) || saves ? this.#read(log) : null, saving: saves };
        });
        this.release(next.batch);
        const { step, progress, seconds } = clock;
        // The first batch is never decoded ahead: what is said of waiting counts from the second on.
        if (step === begun.step + 1) Object.assign(begun, { seconds, waited });
        yield { type: 'step', step, progress };
        const message = this.remark();
        if (message !== null) yield { type: 'note', step, message };
        if (losses) {
          const metrics = this.#evaluateIfCheap();
          const dataWait = Math.min(1, (waited - logged.waited) / Math.max(1e-3, seconds - logged.seconds));
          logged = { seconds, waited };
          const stepsPerSecond = clock.rate;
          const shown = { step, progress, seconds, learningRate, stepsPerSecond, dataWait, losses };
          const record = { ...shown, ...(metrics && { metrics }) };
          appendMetrics(folder, record);
          const imagesPerSecond = stepsPerSecond * training.batchSize;
          yield { type: 'log', ...record, imagesPerSecond, eta: clock.eta };
        }
        const share = (waited - begun.waited) / (seconds - begun.seconds);
        if (!saidSlow && step - begun.step >= 20 && share > 0.1) {
          saidSlow = true;
          yield { type: 'note', step, message: this.#slowData(share) };
        }
        if (due.images(clock) && !clock.done) {
          const path = await this.writeImages();
          if (path) yield { type: 'images', step, path };
        }
        if (saving) {
          const { path } = await this.#save();
          saved = step;
          yield { type: 'checkpoint', step, path };
        }
      }
      yield* this.#finish(clock.done, saved);
    } finally {
      await this.close();
    }
  }

  async *#finish(complete: boolean, saved: number): AsyncGenerator<TrainingEvent, void, undefined> {
    const { clock, folder } = this;
    const { step } = clock;
    let checkpoint = listCheckpoints(folder).find((candidate) => candidate.step === saved);
    if (!checkpoint || saved !== step) {
      checkpoint = await this.#save();
      yield { type: 'checkpoint', step, path: checkpoint.path };
    }
    const seconds = clock.seconds;
    const end = { type: 'end', step, checkpoint: checkpoint.path, seconds, interrupted: !complete } as const;
    if (!complete) {
      yield end;
      return;
    }
    const path = await this.writeImages();
    if (path) yield { type: 'images', step, path };
    const metrics = await this.evaluateAll();
    appendMetrics(folder, { step, progress: clock.progress, seconds, final: true, metrics });
    const best = bestCheckpoint(folder, bestBy(this.session.stage))?.step ?? step;
    const card = modelCard(this.session, { step, seconds, metrics, best, image: path });
    await replaceFile(join(folder, 'README.md'), card);
    yield { ...end, metrics };
  }

  #startEvent(): TrainingEvent {
    const { device, threads, precision, train, heldOut, notes } = this.session;
    const parameters = this.#countParameters();
    const images = { train: train.length, heldOut: heldOut.length };
    const { folder, step } = this;
    return { type: 'start', step, folder, device, threads, precision, parameters, images, notes };
  }

  #setLearningRate(): number {
    const { learningRate, warmup, decayFrom, finalLearningRate: final } = this.config.training;
    const lr = learningRateAt(this.clock.progress, learningRate, { warmup, decayFrom, final });
    for (const optimizer of Object.values(this.trained().optimizers)) {
      for (const group of optimizer.paramGroups) group.lr = lr;
    }
    return lr;
  }

  /** Losses as numbers: the one place in the loop that waits for the device. */
  #read(log: Record<string, Tensor | number>): Figures {
    const losses = Object.fromEntries(
      Object.entries(log).map(([name, value]) => [name, typeof value === 'number' ? value : value.item()]),
    );
    const bad = Object.entries(losses).find(([, value]) => !Number.isFinite(value));
    if (bad) throw this.nonFinite(`the loss "${bad[0]}" is ${bad[1]}`);
    return losses;
  }

  protected nonFinite(what: string): NonFiniteError {
    const last = listCheckpoints(this.folder).at(-1);
    return new NonFiniteError(
      `step ${this.step}: ${what}. The last good checkpoint is ${last?.path ?? 'none'}: go on from there with a lower ` +
        `learning rate, resuming the run with training.learningRate=${this.config.training.learningRate / 2}`,
    );
  }

  /** Held-out figures, where they cost at most a twentieth of the time; always the first and the last time. */
  #evaluateIfCheap(): Figures | null {
    const { clock } = this;
    if (clock.seconds < this.#evaluated && !clock.done) return null;
    const start = performance.now();
    const figures = this.#evaluate();
    this.#evaluated = clock.seconds + ((performance.now() - start) / 1000) * 20;
    return Object.keys(figures).length > 0 ? figures : null;
  }

  #evaluate(): Figures {
    this.#metrics = keepingGenerators(this.session.device, () => this.evaluate());
    return this.#metrics;
  }

  #slowData(share: number): string {
    const { data } = this.config;
    const percent = `${Math.round(share * 100)}% of the time goes into waiting for pictures`;
    const { kind } = this.session.report ?? {};
    if (kind === 'folder' || kind === 'list' || kind === undefined) {
      return `${percent}. Decode them once and for all: npx tessera-torch data pack ${data.path} --size ${data.size}`;
    }
    return `${percent}, although they are decoded already: the disk or other programs are slow`;
  }

  async #save(): Promise<RunCheckpoint> {
    const { session, clock, folder } = this;
    const { model, optimizers } = this.trained();
    const bad = firstNonFinite(model);
    if (bad !== null) throw this.nonFinite(`the tensor ${bad} holds NaN or infinity`);
    const metrics = clock.step === 0 ? {} : this.#evaluate();
    const { tensors, groups } = optimizerState(optimizers, session.device);
    const checkpoint = await writeCheckpoint(
      folder,
      {
        step: clock.step,
        metrics,
        stage: session.stage,
        seconds: clock.seconds,
        progress: clock.progress,
        device: session.device,
        threads: session.threads,
        precision: session.precision,
        ...this.#images,
        data: this.dataState(),
        optimizers: groups,
      },
      { model, optimizer: tensors },
    );
    await pruneCheckpoints(folder, clock.step, this.config.training.keep, bestBy(this.session.stage));
    return checkpoint;
  }
}
