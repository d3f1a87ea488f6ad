import { join } from 'node:path';
import { Loader } from '../data/loader.js';
import type { FirstStage } from '../models/autoencoder/vqgan.js';
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import { canRestartCodes, restartUnusedCodes } from './code-restarts.js';
import type { RunConfig } from '../runs/config.js';
import { temperatureSetter } from './gumbel-temperature.js';
import { noteStart, openInitialWeights } from './stages/initial-weights.js';
import type { InitialWeights } from './stages/initial-weights.js';
import { loadLpips, settleLpips } from './stages/vqgan/lpips.js';
import { beginSession, resumeSession } from './session.js';
import type { RunPlan, Session, TrainerOptions } from './session.js';
import type { TrainedState } from '../runs/state.js';
import { Trainer, type Figures } from './trainer.js';
import { buildVqgan, timeVqganStep, type VqganParts } from './stages/vqgan/build.js';
import { checkVqgan, withDiscriminatorChannels } from './stages/vqgan/check.js';
import {
  measureImages,
  measureSource,
  saveReconstructions,
  validationPictures,
} from './stages/vqgan/held-out.js';
import { lossOf } from './stages/vqgan/loss.js';

/** Every so many steps unused codes are moved, over so much of the run, onto latents of so many pictures. */
const restarts = { every: 50, until: 0.6, pictures: 32 };

/**
 * Trains the first stage: `for await (const event of trainer.run({ signal })) …`.
 *
 * @example
 * ```ts
 * const { model } = await readConfig('model.yaml');
 * const config = { model, data: { path: 'photos', size: 64 }, training: { steps: 2000 } };
 * const trainer = await VqganTrainer.create(config, { run: 'runs/mine' });
 * for await (const event of trainer.run()) {
 *   if (event.type === 'log') console.log(event.step, event.losses);
 * }
 * ```
 */
export class VqganTrainer extends Trainer<Tensor> {
  /** The model that is trained. */
  readonly model: FirstStage;
  readonly #parts: VqganParts;
  readonly #loader: Loader;
  readonly #setTemperature: (step: number) => void;
  #validation: Tensor | null = null;
  #saidEager = false;

  private constructor(session: Session, initial: InitialWeights | null) {
    super(session);
    const { config, device, precision, checkpoint, train, dry } = session;
    const { batchSize, seed } = config.training;
    torch.manualSeed(seed);
    const begin = (model: FirstStage) => noteStart(session, model, initial);
    this.#parts = buildVqgan(config, precision, device, checkpoint === null && !dry, begin);
    this.model = this.#parts.model;
    this.#setTemperature = temperatureSetter(this.model);
    if (config.training.restartCodes && !canRestartCodes(this.model))
      session.notes.push(noRestarts(this.model));
    const position = checkpoint?.state['data'] as ReturnType<Loader['state']> | undefined;
    const { crop, flip } = config.data;
    this.#loader = new Loader(train, { batchSize, seed, crop, flip, device, ...(position && { position }) });
  }

  /**
   * Begins a run in a new folder.
   *
   * @param config as in a YAML file: { model, data, training }
   * @throws TypeError for a mistake in it; RunError, ImageDataError for folders and pictures that cannot be used
   */
  static async create(
    config: unknown,
    { run, ...options }: TrainerOptions & { run: string },
  ): Promise<VqganTrainer> {
    return (await VqganTrainer.#build(await VqganTrainer.#new(config, run, options))).open();
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
    const session = await VqganTrainer.#new(config, run, { ...options, dry: true });
    return (await VqganTrainer.#build(session)).endPlan();
  }

  static #new(config: unknown, run: string, options: TrainerOptions & { dry?: boolean }): Promise<Session> {
    const adapt = async (resolved: RunConfig, notes: string[]) => {
      const settled = await settleLpips(withDiscriminatorChannels(resolved), notes);
      const initial = await openInitialWeights(settled);
      try {
        checkVqgan(settled, notes, initial);
      } finally {
        initial?.close();
      }
      return settled;
    };
    return beginSession('vqgan', run, config, options, { adapt, measure: timeVqganStep });
  }

  /** Goes on with the run in a folder; `changes` is a configuration of the few keys that may change. */
  static async resume(run: string, { changes, ...options }: TrainerOptions & { changes?: unknown } = {}) {
    return (await VqganTrainer.#build(await resumeSession('vqgan', run, changes, options))).open();
  }

  /** The trainer with what its loss is given from elsewhere. */
  static async #build(session: Session): Promise<VqganTrainer> {
    let trainer: VqganTrainer;
    let initial: InitialWeights | null = null;
    try {
      if (!session.checkpoint) initial = await openInitialWeights(session.config);
      trainer = new VqganTrainer(session, initial);
      const loss = lossOf(trainer.model);
      await loadLpips(loss, session.config.training.lpips);
      if (session.precision === 'bfloat16') trainer.#parts.masters.lower(loss.perceptualLoss.net);
    } catch (error) {
      await session.abandon();
      throw error;
    } finally {
      initial?.close();
    }
    return trainer;
  }

  protected trained(): TrainedState {
    const { masters, generator, discriminator } = this.#parts;
    const state = [...masters.stateDict(this.model.stateDict())];
    // Never trained, and the same in every run: read from its file again.
    const model = new Map(state.filter(([key]) => !key.startsWith('loss.perceptual_loss.')));
    return { model, optimizers: { generator, discriminator } };
  }

  protected dataState(): unknown {
    return this.#loader.state();
  }

  protected async prepare(): Promise<void> {
    this.#parts.masters.sync();
    this.#validation = await validationPictures(this.session.heldOut, this.session.device);
  }

  protected async nextBatch(): Promise<{ batch: Tensor; waited: number }> {
    const { step, progress } = this.clock;
    let waited = 0;
    const next = async () => {
      const given = await this.#loader.next();
      waited += given.waited;
      return given.images;
    };
    const { model } = this;
    const restart = this.config.training.restartCodes && canRestartCodes(model);
    if (restart && step % restarts.every === 0 && progress < restarts.until) {
      const recent: Tensor[] = [];
      while (recent.length * this.config.training.batchSize < restarts.pictures) recent.push(await next());
      torch.scope(() => restartUnusedCodes(model, torch.cat(recent)));
      torch.dispose(recent);
    }
    return { batch: await next(), waited };
  }

  protected trainOn(batch: Tensor): Record<string, Tensor | number> {
    const { step, progress } = this.clock;
    const { training } = this.config;
    this.#setTemperature(step);
    // Before every start: neither acts nor learns.
    const globalStep = progress < training.discriminatorFrom ? -Infinity : step;
    const log = this.#parts.step(batch, globalStep);
    return {
      rec: log.nllLoss,
      perceptual: log.pLoss,
      vq: log.quantLoss,
      gan: log.gLoss,
      disc: log.discLoss,
      weight: log.dWeight.mul(log.discFactor),
    };
  }

  protected override remark(): string | null {
    const reason = this.#parts.graphed?.eagerReason;
    if (!reason || this.#saidEager) return null;
    this.#saidEager = true;
    return `training.graph: steps are not replayed as a CUDA graph: ${reason}`;
  }

  protected release(batch: Tensor): void {
    batch.dispose();
  }

  protected evaluate(): Figures {
    return this.#validation ? measureImages(this.model, this.#validation) : {};
  }

  protected evaluateAll(): Promise<Figures> {
    return measureSource(this.model, this.session.heldOut, this.session.device);
  }

  protected async writeImages(): Promise<string | null> {
    if (!this.#validation) return null;
    const path = join(this.folder, 'images', `reconstructions-${String(this.step).padStart(7, '0')}.png`);
    await saveReconstructions(this.model, this.#validation, path);
    return path;
  }

  protected closeStage(): void {
    this.#loader.close();
    this.#parts.graphed?.dispose();
    if (this.#validation && !this.#validation.disposed) this.#validation.dispose();
  }
}

function noRestarts(model: FirstStage): string {
  return (
    `training.restartCodes does nothing here: the codes of ${model.constructor.name} are chosen by a projection, and ` +
    'cannot be moved to where pictures are. Its klWeight keeps them in use; training.restartCodes=false leaves out this note'
  );
}
