/** Training of the first stage: encoder, codebook, decoder and discriminator. */
import { sidesOfBuckets } from '../../../data/batches/buckets.js';
import { Loader } from '../../../data/batches/loader.js';
import type { Shard } from '../../../data/batches/shard.js';
import type { FirstStage } from '../../../models/autoencoder/vqgan.js';
import { LPIPS_PREFIX } from '../../../models/registry/without-loss.js';
import type { RunConfig } from '../../../runs/config.js';
import { frozenPartsOf } from '../../../runs/setting-kinds.js';
import { imagesPerStep } from '../../../runs/settings.js';
import type { TrainedState } from '../../../runs/state.js';
import * as torch from '../../../torch/index.js';
import type { Tensor } from '../../../torch/index.js';
import { canRestartCodes, restartUnusedCodes } from './code-restarts.js';
import { StartCodes } from './changed-codes.js';
import { temperatureSetter } from './gumbel-temperature.js';
import { fromFirst, jointBatch, shardOf } from '../../engine/data-parallel.js';
import { WeightAverage } from '../../engine/weight-average.js';
import type { Images } from '../../images.js';
import type { Session } from '../../session.js';
import type { MetricValues, TrainableStage, StageKind } from '../../stage.js';
import { noteStart, withInitialWeights, type InitialWeights } from '../initial-weights.js';
import { buildVqgan, timeVqganStep, type VqganParts } from './build.js';
import { checkMap, checkVqgan, fieldOf, mapOf, withDiscriminatorChannels } from './check.js';
import {
  inputOf,
  measureImages,
  namesOf,
  measureSource,
  saveReconstructions,
  validationImages,
} from './held-out.js';
import { lossOf } from './loss.js';
import { loadLpips, settleLpips } from './lpips.js';
import { readsLabels } from './segmentation-step.js';
import { TrainingCodes } from './training-codes.js';

/** Every `every` steps, up to the share `until` of the run, unused codes move to latents of `pictures` images. */
const restarts = { every: 50, until: 0.6, pictures: 32 };

/** Prepares a VQGAN for training. */
export const vqgan: StageKind<VqganStage> = {
  name: 'vqgan',
  measure: timeVqganStep,
  async adapt(config: RunConfig, notes: string[]) {
    const settled = await settleLpips(withDiscriminatorChannels(config), notes);
    await withInitialWeights(settled, (initial) => checkVqgan(settled, notes, initial));
    const field = fieldOf(settled);
    return field === null ? settled : { ...settled, data: { ...settled.data, maps: [field] } };
  },
  settle(config: RunConfig, images: Images) {
    checkMap(config, images);
    return config;
  },
  async build(session: Session) {
    const { run, config } = session;
    const build = (initial: InitialWeights | null) => new VqganStage(session, initial);
    const stage = run.checkpoint ? build(null) : await withInitialWeights(config, build);
    if (readsLabels(stage.model)) return stage;
    const loss = lossOf(stage.model);
    await loadLpips(loss, config.training.lpips);
    stage.precision.lower(loss.perceptualLoss.net);
    return stage;
  },
};

/** A VQGAN in training. */
export class VqganStage implements TrainableStage<Tensor> {
  readonly model: FirstStage;
  readonly #session: Session;
  readonly #parts: VqganParts;
  readonly #loader: Loader;
  readonly #setTemperature: (step: number) => void;
  /** Moving average of the generator's weights; null if the run has none. */
  readonly #average: WeightAverage | null;
  #validation: Tensor | null = null;
  readonly #shard: Shard;
  /** Images of a step before which codes are restarted. */
  #recent: Tensor[] | null = null;
  readonly #restarts: boolean;
  /** Codes under the initial weights; null if there are none to compare. */
  #start: StartCodes | null = null;
  /** Use of the codes in training; null if the run does not follow it. */
  readonly #codes: TrainingCodes | null;
  #eagerReason: string | null = null;

  constructor(session: Session, initial: InitialWeights | null) {
    const { run, config, device, precision, draws, train } = session;
    const { seed, restartCodes, codeWindow: window } = config.training;
    const { crop, cropScale: scale, cropRatio: ratio, flip, buckets: named } = config.data;
    const buckets = named && sidesOfBuckets(named);
    torch.manualSeed(seed);
    const begin = (model: FirstStage) => noteStart(run, model, initial);
    this.#session = session;
    this.#shard = shardOf(config.training);
    this.#parts = buildVqgan(config, precision, device, draws, begin);
    this.model = this.#parts.model;
    this.#average = averageOf(config, this.#parts);
    this.#setTemperature = temperatureSetter(this.model);
    this.#restarts = restartCodes && !frozenPartsOf(config.training).includes('quantizer');
    if (this.#restarts && !canRestartCodes(this.model)) run.notes.push(noRestarts(this.model));
    this.#codes =
      window === undefined ? null : new TrainingCodes(this.model, { window, step: run.step, device });
    const position = run.checkpoint?.state['data'] as ReturnType<Loader['state']> | undefined;
    const batchSize = imagesPerStep(config.training);
    const how = {
      batchSize,
      seed,
      crop,
      scale,
      ratio,
      buckets,
      flip,
      device,
      fields: namesOf(mapOf(config)),
      shard: this.#shard,
    };
    this.#loader = new Loader(train, { ...how, ...(position && { position }) });
  }

  /** Map that the model is trained on instead of the images; null for the images. */
  get #field(): string | null {
    return mapOf(this.#session.config);
  }

  get precision() {
    return this.#parts.precision;
  }

  get scaler() {
    return this.precision.scaler;
  }

  get check() {
    return this.#parts.check;
  }

  restored(): void {
    this.precision.masters.sync();
    this.#parts.graphed?.dispose(); // It reads the state that the optimizers had.
  }

  async prepare(): Promise<void> {
    this.precision.masters.sync();
    const { heldOut, device, run } = this.#session;
    this.#validation = await validationImages(heldOut, device, this.#field);
    if (this.#validation && run.writes) this.#start = await StartCodes.of(run, this.model, this.#validation);
  }

  async next(): Promise<{ batch: Tensor; waited: number }> {
    const { step, progress } = this.#session.run;
    const { training, data } = this.#session.config;
    let waited = 0;
    const next = async () => {
      const given = await this.#loader.next();
      waited += given.waited;
      return inputOf(given, this.#field);
    };
    const { model } = this;
    const restart = this.#restarts && canRestartCodes(model);
    if (restart && step % restarts.every === 0 && progress < restarts.until) {
      const recent: Tensor[] = [];
      const jointImages = imagesPerStep(training) * this.#shard.worldSize;
      do recent.push(jointBatch(await next(), this.#shard));
      while (!data.buckets && recent.length * jointImages < restarts.pictures); // Buckets differ in size.
      this.#recent = recent;
    }
    return { batch: await next(), waited };
  }

  position(): unknown {
    return this.#loader.state();
  }

  /** Moves unused codes onto latents of the images that `next` has read for this. */
  #restartCodes(): void {
    const { model } = this;
    const recent = this.#recent;
    this.#recent = null;
    if (recent === null || !canRestartCodes(model)) return;
    // An accumulated step may see more images than the memory has room for at once.
    const { block, worldSize } = this.#shard;
    const most = restarts.pictures + block * worldSize - 1;
    torch.scope(() => restartUnusedCodes(model, firstRows(torch.cat(recent), most)));
    torch.dispose(recent);
    fromFirst(model.quantize.stateDict().values());
  }

  step(batch: Tensor): Record<string, Tensor | number> {
    const { step, progress } = this.#session.run;
    this.#restartCodes();
    this.#setTemperature(step);
    // -Infinity is before any start, so the discriminator neither contributes to the loss nor learns.
    const globalStep = progress < this.#session.config.training.discriminatorFrom ? -Infinity : step;
    const take = () => this.#parts.step(batch, globalStep).losses;
    const losses = this.check ? this.check.around(step + 1, take) : take();
    this.#average?.update(step + 1);
    return losses;
  }

  observed(): MetricValues {
    return this.#codes?.read(this.#session.run.step) ?? {};
  }

  remark(): string | null {
    const { done } = this.#session.run;
    const report = done ? this.#averaged(() => this.#start?.report() ?? null) : null;
    const remarks = [this.#eagerRemark(), this.#codes?.remark(), report].filter(Boolean);
    return remarks.length > 0 ? remarks.join('; ') : null;
  }

  #eagerRemark(): string | null {
    const reason = this.#parts.graphed?.eagerReason;
    if (!reason || this.#eagerReason !== null) return null;
    this.#eagerReason = reason;
    return `training.graph: steps run eagerly, not as a CUDA graph: ${reason}`;
  }

  evaluate(): MetricValues {
    const images = this.#validation;
    if (!images) return {};
    return this.#averaged(() => ({ ...measureImages(this.model, images), ...this.#start?.changed() }));
  }

  async evaluateAll(): Promise<MetricValues> {
    const { heldOut, device } = this.#session;
    return this.#averaged(async () => {
      const metrics = await measureSource(this.model, heldOut, device, this.#field);
      return { ...metrics, ...this.#start?.changed() };
    });
  }

  async draw(): Promise<string | null> {
    const images = this.#validation;
    if (!images) return null;
    const path = this.#session.run.imagePath('reconstructions');
    await this.#averaged(() => saveReconstructions(this.model, images, path));
    return path;
  }

  state(): TrainedState {
    const { precision, optimizers } = this.#parts;
    const state = [...precision.masters.stateDict(this.model.stateDict())];
    // LPIPS is never trained and the same in every run, so it is read from its own file instead.
    const model = new Map(state.filter(([key]) => !key.startsWith(LPIPS_PREFIX)));
    const { scaler } = precision;
    return { model, optimizers, average: this.#average?.weights, scaler, data: this.#loader.state() };
  }

  /** Calls `fn` with the averaged weights, if the run averages them. */
  #averaged<T>(fn: () => T): T {
    return this.#average ? this.#average.use(fn) : fn();
  }

  close(): Promise<void> {
    this.#loader.close();
    this.#parts.graphed?.dispose();
    this.check?.dispose();
    this.precision.dispose();
    this.#average?.dispose();
    this.#codes?.dispose();
    torch.dispose([this.#validation, this.#recent]);
    this.#start?.dispose();
    return this.#session.close();
  }
}

/** Averages the weights that the generator's optimizer trains, and the codes, which a quantizer may move by itself. */
function averageOf({ training: { ema } }: RunConfig, { model, precision }: VqganParts): WeightAverage | null {
  if (ema === 0) return null;
  const trained = new Set<Tensor>(model.generatorParameters());
  const weights = [...model.stateDict()].filter(
    ([key, tensor]) => key.startsWith('quantize.') || trained.has(tensor),
  );
  return new WeightAverage(new Map(weights), ema, precision.masters);
}

const firstRows = (batch: Tensor, most: number): Tensor =>
  batch.narrow(0, 0, Math.min(most, batch.shape[0]!));

function noRestarts(model: FirstStage): string {
  return (
    `training.restartCodes has no effect: the codes of ${model.quantize.constructor.name} cannot be moved onto latents; ` +
    'set training.restartCodes=false to leave out this note'
  );
}
