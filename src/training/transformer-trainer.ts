import { join } from 'node:path';
import { saveImageGrid } from '../data/image-grid.js';
import type { Net2NetTransformer } from '../models/two-stage.js';
import { LogitsError } from '../sampling/logits-error.js';
import { sampleImages } from '../sampling/images.js';
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import { classesAmong, countClasses, spreadOver } from './stages/transformer/classes.js';
import { codesFile, codesOf, RowOrder, type Codes } from './stages/transformer/codes.js';
import type { RunConfig } from '../runs/config.js';
import { saveLabelledGrid } from './stages/grids.js';
import type { LoadReport } from '../models/weights/load.js';
import { noteStart, openInitialWeights } from './stages/initial-weights.js';
import type { InitialWeights } from './stages/initial-weights.js';
import { beginSession, keepingGenerators, resumeSession } from './session.js';
import type { RunPlan, Session, TrainerOptions } from './session.js';
import type { TrainedState } from '../runs/state.js';
import { Trainer, type Figures } from './trainer.js';
import {
  adoptFirstStage,
  buildTransformer,
  checkTransformer,
  loadFirstStage,
  timeTransformerStep,
} from './stages/transformer/build.js';
import type { TransformerParts } from './stages/transformer/build.js';
import { measureCodes, heldOutLoss, tokensOf, type Tokens } from './stages/transformer/held-out.js';

/** Held-out rows measured all through the run; at its end, all are. */
const MEASURED = 32;

/**
 * Trains the second stage on the codes of the first: `for await (const event of trainer.run({ signal })) …`.
 *
 * @example
 * ```ts
 * const { model } = await readConfig('transformer.yaml');
 * const training = { vqgan: 'runs/vqgan', steps: 2000 };
 * const config = { model, data: { path: 'photos', size: 64 }, training };
 * const trainer = await TransformerTrainer.create(config, { run: 'runs/transformer' });
 * for await (const event of trainer.run()) {
 *   if (event.type === 'log') console.log(event.step, event.losses);
 * }
 * ```
 */
export class TransformerTrainer extends Trainer<Tokens> {
  /** The model that is trained. */
  readonly net: Net2NetTransformer;
  readonly #parts: TransformerParts;
  #codes: Codes | null = null;
  #order: RowOrder | null = null;

  /** What the checkpoint that a new run begins from held. */
  #start: LoadReport | null = null;

  private constructor(session: Session, initial: InitialWeights | null) {
    super(session);
    const { config, device, precision, checkpoint, dry } = session;
    torch.manualSeed(config.training.seed);
    const begin = (net: Net2NetTransformer) => {
      this.#start = noteStart(session, net, initial);
    };
    this.#parts = buildTransformer(config, precision, device, checkpoint === null && !dry, begin);
    this.net = this.#parts.net;
  }

  /**
   * Begins a run in a new folder.
   *
   * @param config as in a YAML file: { model, data, training }; training.vqgan names the run of the first stage
   * @throws TypeError for a mistake in it; RunError, ImageDataError for folders and pictures that cannot be used
   */
  static async create(
    config: unknown,
    { run, ...options }: TrainerOptions & { run: string },
  ): Promise<TransformerTrainer> {
    return (await TransformerTrainer.#build(await TransformerTrainer.#new(config, run, options))).open();
  }

  /**
   * Finds out all that a run would before its first step, by the same steps, and writes nothing.
   *
   * @throws what `create` throws
   */
  static async plan(
    config: unknown,
    { run, ...options }: TrainerOptions & { run: string },
  ): Promise<RunPlan> {
    const session = await TransformerTrainer.#new(config, run, { ...options, dry: true });
    return (await TransformerTrainer.#build(session)).endPlan();
  }

  static #new(config: unknown, run: string, options: TrainerOptions & { dry?: boolean }): Promise<Session> {
    const adapt = async (resolved: RunConfig, notes: string[]) => {
      const adapted = await adoptFirstStage(resolved);
      const initial = await openInitialWeights(adapted);
      try {
        checkTransformer(adapted, initial);
      } finally {
        initial?.close();
      }
      notes.push(describeCodes(adapted));
      return adapted;
    };
    const stage = { adapt, settle: countClasses, measure: timeTransformerStep };
    return beginSession('transformer', run, config, options, stage);
  }

  /** Goes on with the run in a folder; `changes` is a configuration of the few keys that may change. */
  static async resume(
    run: string,
    { changes, ...options }: TrainerOptions & { changes?: unknown } = {},
  ): Promise<TransformerTrainer> {
    const session = await resumeSession('transformer', run, changes, options);
    return (await TransformerTrainer.#build(session)).open();
  }

  /** The trainer with what its model is given from elsewhere. */
  static async #build(session: Session): Promise<TransformerTrainer> {
    let trainer: TransformerTrainer;
    let initial: InitialWeights | null = null;
    try {
      if (!session.checkpoint) initial = await openInitialWeights(session.config);
      trainer = new TransformerTrainer(session, initial);
      // A checkpoint holds the first stage too: the run needs nothing outside its folder.
      if (!session.checkpoint && !trainer.#hasFirstStage()) {
        const note = await loadFirstStage(trainer.net.firstStageModel, session.config);
        if (note !== null) session.notes.push(note);
      }
    } catch (error) {
      await session.abandon();
      throw error;
    } finally {
      initial?.close();
    }
    return trainer;
  }

  /** Whether what the run began from, a whole model, held the first stage: its own comes last, as in the reference. */
  #hasFirstStage(): boolean {
    const key = 'first_stage_model.';
    return this.#start !== null && !this.#start.missing.some((lacking) => lacking.startsWith(key));
  }

  protected trained(): TrainedState {
    const { masters, net, optimizer } = this.#parts;
    return { model: masters.stateDict(net.stateDict()), optimizers: { transformer: optimizer } };
  }

  protected dataState(): unknown {
    return this.#order?.position ?? this.session.checkpoint?.state['data'] ?? 0;
  }

  /** Encodes every picture once: the first stage is frozen. */
  protected async prepare(signal: AbortSignal | undefined): Promise<void> {
    this.#parts.masters.sync();
    const { train, heldOut, device, config } = this.session;
    const { views, seed } = config.training;
    const encode = (images: Tensor) =>
      keepingGenerators(device, () => this.net.firstStageModel.encode(images).indices);
    const request = { train, heldOut, encode, device, views, flip: config.data.flip, seed, signal };
    this.#codes = await codesOf(join(this.folder, codesFile), request);
    if (!this.#codes) return;
    const position = (this.session.checkpoint?.state['data'] as number | undefined) ?? 0;
    this.#order = new RowOrder(this.#codes.train.shape[0]!, seed, position);
  }

  protected async nextBatch(): Promise<{ batch: Tokens; waited: number }> {
    await new Promise(setImmediate); // Steps are synchronous: lets Ctrl-C be heard between them.
    const { train, labels } = this.#codes!;
    const rows = this.#order!.next(this.config.training.batchSize);
    return { batch: torch.scope(() => tokensOf(this.net, train, labels, rows)), waited: 0 };
  }

  protected trainOn(batch: Tokens): Record<string, Tensor> {
    return { loss: this.#parts.step(batch) };
  }

  protected release(batch: Tokens): void {
    torch.dispose(batch);
  }

  protected evaluate(): Figures {
    return heldOutLoss(this.net, this.#codes!, MEASURED);
  }

  protected async evaluateAll(): Promise<Figures> {
    return measureCodes(this.net, this.#codes!);
  }

  protected async writeImages(): Promise<string | null> {
    const path = join(this.folder, 'images', `samples-${String(this.step).padStart(7, '0')}.png`);
    const { samples } = this.config.training;
    const conditional = this.net.condition.field === 'label';
    const shown = spreadOver(conditional ? classesAmong(this.#codes!.labels) : [0], samples);
    const images = this.#draw(shown);
    try {
      const scale = Math.max(1, Math.floor(128 / this.config.data.size));
      if (!conditional) await saveImageGrid(path, images, { scale });
      else {
        const names = this.session.train.classes;
        const labels = shown.map((number) => ({ class: number, name: names[number] ?? `class ${number}` }));
        await saveLabelledGrid(path, images, labels, { scale });
      }
    } finally {
      images.dispose();
    }
    return path;
  }

  /** An image of each class: [N, C, H, W]. */
  #draw(classes: readonly number[]): Tensor {
    const { topK, seed } = this.config.training;
    const { device } = this.session;
    try {
      return keepingGenerators(device, () => {
        torch.manualSeed(seed); // The same draws each time: what changes is the model.
        const labels = torch.tensor(BigInt64Array.from(classes, BigInt), { device }); // [N]
        const side = Math.round(Math.sqrt(this.#codes!.train.shape[1]!));
        return sampleImages(this.net, this.net.encodeToC(labels).indices, {
          grid: [side, side],
          topK: Math.min(topK, this.net.transformer.vocabSize),
        });
      });
    } catch (error) {
      throw error instanceof LogitsError
        ? this.nonFinite(`no picture can be drawn: ${error.message}`)
        : error;
    }
  }

  protected closeStage(): void {
    if (this.#codes) torch.dispose(this.#codes);
    this.#codes = null;
  }
}

function describeCodes({ data, training }: RunConfig): string {
  const crops = training.views === 1 ? 'its centre' : `${training.views} random crops`;
  return `codes are extracted once, of each picture ${crops}${data.flip ? ', and mirrored' : ''}`;
}
