/** Training of the second stage: a transformer over the codes of the frozen first stage. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { LABEL } from '../../../data/fields/example.js';
import { isTokenFolder } from '../../../data/files/token-folder.js';
import { FirstStage } from '../../../models/autoencoder/vqgan.js';
import type { Stage } from '../../../models/conditions/condition.js';
import { Several } from '../../../models/conditions/several.js';
import type { TwoStage } from '../../../models/two-stage.js';
import type { LoadReport } from '../../../models/weights/load.js';
import type { RunConfig } from '../../../runs/config.js';
import { imagesPerStep } from '../../../runs/settings.js';
import type { TrainedState } from '../../../runs/state.js';
import { LogitsError } from '../../../sampling/logits-error.js';
import * as torch from '../../../torch/index.js';
import type { Tensor } from '../../../torch/index.js';
import { shardOf } from '../../engine/data-parallel.js';
import { WeightAverage } from '../../engine/weight-average.js';
import type { Images } from '../../images.js';
import type { Session } from '../../session.js';
import type { TokenSets } from '../../token-images.js';
import type { MetricValues, TrainableStage, StageKind } from '../../stage.js';
import { noteStart, withInitialWeights, type InitialWeights } from '../initial-weights.js';
import { buildTransformer, timeTransformerStep, type TransformerParts } from './build.js';
import { checkMaps, checkTransformer, fieldsToEncode } from './check.js';
import { countClasses } from './classes.js';
import { sectionsOfSeveral, withOnly } from './condition-sections.js';
import { codesFile, codesOf, type Codes, type CodesRequest } from './codes.js';
import { encodersOf } from './encoders.js';
import { adoptFirstStage } from './first-stage.js';
import { heldOutLoss, measureCodes, tokensOf, type Tokens } from './held-out.js';
import { readLogged, saveLog, type LoggedImages } from './log-images.js';
import { saveSamples } from './preview.js';
import { RowOrder } from './row-order.js';
import { checkMadeWith, checkNeedsNoPixels, checkTokens, codesOfTokens } from './token-codes.js';
import { conditionPart, firstStagePart, loadPart } from './trained-part.js';
import { vectorsOf, type ImageVectors } from './vectors.js';

/** Number of held-out rows measured during the run; all of them are measured at its end. */
const MEASURED = 32;

/** Prepares a transformer for training. */
export const transformer: StageKind<TransformerStage> = {
  name: 'transformer',
  takesTokens: true,
  settle(config: RunConfig, images: Images) {
    if (images.tokens) checkTokens(config, images.tokens);
    const settled = countClasses(config, images);
    if (!images.tokens) checkMaps(settled, images);
    return settled;
  },
  measure: timeTransformerStep,
  async adapt(config: RunConfig, notes: string[]) {
    const adapted = await adoptFirstStage(config);
    const fields = await withInitialWeights(adapted, (initial) => checkTransformer(adapted, initial));
    if (isTokenFolder(adapted.data.path)) {
      checkNeedsNoPixels(adapted, fields);
      // The views of a token set were cropped and mirrored when it was made.
      return { ...adapted, data: { ...adapted.data, flip: false } };
    }
    notes.push(describeCodes(adapted));
    const maps = fields.filter((name) => name !== LABEL);
    return maps.length === 0 ? adapted : { ...adapted, data: { ...adapted.data, maps } };
  },
  async build(session: Session) {
    const { run, config } = session;
    // A checkpoint includes the first stage, so a resumed run needs nothing outside its folder.
    if (run.checkpoint) return new TransformerStage(session, null);
    const vectors = await vectorsOf(config, session);
    return withInitialWeights(config, async (initial) => {
      const stage = new TransformerStage(session, initial, vectors);
      for (const { part, key, model, given } of frozenParts(stage.net, config)) {
        if (!(model instanceof FirstStage) || stage.beganWith(key)) continue;
        const note = await loadPart(part, model, given);
        if (note !== null) run.notes.push(note);
      }
      if (session.tokens) checkMadeWith(stage.net, session.tokens);
      return stage;
    });
  },
};

/** Returns the frozen models of a transformer, each with its keys and the configuration that names its weights. */
function frozenParts({ firstStageModel, condStageModel }: TwoStage, config: RunConfig) {
  const first = {
    part: firstStagePart,
    key: 'first_stage_model',
    model: firstStageModel as Stage,
    given: config,
  };
  if (condStageModel === firstStageModel) return [first];
  const part = conditionPart;
  const key = 'cond_stage_model';
  const sections = sectionsOfSeveral(config.model.params?.['cond_stage_config']);
  if (!(condStageModel instanceof Several) || !sections)
    return [first, { part, key, model: condStageModel, given: config }];
  const conditions = condStageModel.parts.map(({ condStageModel: model }, i) => ({
    part,
    key: `${key}.conditions.${i}`,
    model,
    given: withOnly(config, sections[i]),
  }));
  return [first, ...conditions];
}

/** A transformer in training. */
export class TransformerStage implements TrainableStage<Tokens> {
  readonly net: TwoStage;
  readonly #session: Session;
  readonly #parts: TransformerParts;
  /** Moving average of the trained weights; null if the run has none. */
  readonly #average: WeightAverage | null;
  #codes: Codes | null = null;
  /** Vectors that are the condition, as long as the codes do not hold them. */
  #vectors: ImageVectors | null;
  /** Images that are drawn with their reconstructions and samples for them; null if the run has tokens instead. */
  #logged: LoggedImages | null = null;
  #order: RowOrder | null = null;
  /** Report on the initial weights of a new run; null if it has none. */
  #start: LoadReport | null = null;

  constructor(session: Session, initial: InitialWeights | null, vectors: ImageVectors | null = null) {
    const { run, config, device, precision, draws } = session;
    torch.manualSeed(config.training.seed);
    const begin = (net: TwoStage) => {
      this.#start = noteStart(run, net, initial);
    };
    this.#session = session;
    this.#vectors = vectors;
    this.#parts = buildTransformer(config, precision, device, draws, begin);
    this.net = this.#parts.net;
    this.#average = averageOf(config, this.#parts);
  }

  /** True if the initial weights include a part of the model, which then takes precedence, as in the reference. */
  beganWith(part: string): boolean {
    if (this.#start === null) return false;
    const { loaded, missing, misshapen } = this.#start;
    const below = (keys: readonly string[]) => keys.some((key) => key.startsWith(`${part}.`));
    return below(loaded) && !below(missing) && !below(misshapen.map(({ key }) => key));
  }

  /** Encodes every image once, as the first stage is frozen, or takes the ids of a token set. */
  async prepare(signal?: AbortSignal): Promise<void> {
    this.#parts.precision.masters.sync();
    const { train, heldOut, tokens, device, config } = this.#session;
    const { samples, seed } = config.training;
    this.#codes = tokens ? await this.#codesOf(tokens) : await this.#encode(signal);
    torch.dispose(this.#vectors);
    this.#vectors = null;
    if (!this.#codes) return;
    if (!tokens)
      this.#logged = await readLogged(this.net, this.#codes, { train, heldOut }, { samples, device });
    const { codes, views = 1 } = this.#codes.train;
    this.#order = new RowOrder(codes.shape[0]! / views, seed, this.#begunAt, views);
  }

  async #encode(signal: AbortSignal | undefined): Promise<Codes | null> {
    const { run, train, heldOut, device, config } = this.#session;
    const { views, seed } = config.training;
    const { crop, cropScale: scale, cropRatio: ratio, flip } = config.data;
    const file = join(run.folder, codesFile);
    if (!existsSync(file)) this.#vectors ??= await vectorsOf(config, this.#session);
    const request: CodesRequest = {
      ...encodersOf(this.net, device),
      train,
      heldOut,
      device,
      views,
      crop,
      scale,
      ratio,
      flip,
      seed,
      signal,
      vectors: this.#vectors,
    };
    return codesOf(file, request);
  }

  /** Takes the codes of token sets, which a resumed run reads again, and frees those. */
  async #codesOf(tokens: TokenSets): Promise<Codes> {
    const { run, train, heldOut, device, config } = this.#session;
    if (run.checkpoint) {
      checkNeedsNoPixels(config, fieldsToEncode(this.net.condition));
      checkTokens(config, tokens);
      checkMadeWith(this.net, tokens);
    }
    this.#vectors ??= await vectorsOf(config, this.#session);
    const codes = codesOfTokens({ train, heldOut, tokens }, this.#vectors, device);
    for (const set of new Set([tokens.train, tokens.heldOut])) set.dispose();
    return codes;
  }

  get #begunAt(): number {
    return (this.#session.run.checkpoint?.state['data'] as number | undefined) ?? 0;
  }

  async next(): Promise<{ batch: Tokens; waited: number }> {
    await new Promise(setImmediate); // Steps are synchronous: a signal such as Ctrl-C needs a turn of the event loop.
    const { training } = this.#session.config;
    const rows = this.#order!.next(imagesPerStep(training), shardOf(training));
    return { batch: torch.scope(() => tokensOf(this.net, this.#codes!.train, rows)), waited: 0 };
  }

  get check() {
    return this.#parts.check;
  }

  get scaler() {
    return this.#parts.precision.scaler;
  }

  restored(): void {
    this.#parts.precision.masters.sync();
  }

  position(): unknown {
    return this.#order?.position ?? this.#begunAt;
  }

  step(tokens: Tokens): Record<string, Tensor | number> {
    const { step } = this.#session.run;
    const take = () => this.#parts.step(tokens);
    const losses = this.check ? this.check.around(step + 1, take) : take();
    this.#average?.update(step + 1);
    return losses;
  }

  evaluate(): MetricValues {
    return this.#averaged(() => heldOutLoss(this.net, this.#codes!, MEASURED));
  }

  async evaluateAll(): Promise<MetricValues> {
    return this.#averaged(() => measureCodes(this.net, this.#codes!));
  }

  async draw(): Promise<string> {
    const { run, config, train, device } = this.#session;
    const { samples, topK, seed } = config.training;
    const path = run.imagePath('samples');
    const how = { samples, topK, seed, device, size: config.data.size, classes: train.classes };
    try {
      await this.#averaged(() => saveSamples(path, this.net, this.#codes!, how));
      const logged = this.#logged;
      const log = run.imagePath('log-images');
      if (logged) await this.#averaged(() => saveLog(log, this.net, logged, how));
    } catch (error) {
      throw error instanceof LogitsError ? run.nonFinite(`no image can be sampled: ${error.message}`) : error;
    }
    return path;
  }

  state(): TrainedState {
    const { precision, net, optimizer } = this.#parts;
    return {
      model: precision.masters.stateDict(net.stateDict()),
      optimizers: { transformer: optimizer },
      average: this.#average?.weights,
      scaler: precision.scaler,
      data: this.position(),
    };
  }

  /** Calls `fn` with the averaged weights, if the run averages them. */
  #averaged<T>(fn: () => T): T {
    return this.#average ? this.#average.use(fn) : fn();
  }

  close(): Promise<void> {
    this.#average?.dispose();
    this.check?.dispose();
    this.#parts.precision.dispose();
    torch.dispose([this.#codes, this.#vectors, this.#logged]);
    this.#codes = null;
    this.#logged = null;
    return this.#session.close();
  }
}

/** Averages the weights that the optimizer trains; the first stage is frozen. */
function averageOf({ training: { ema } }: RunConfig, parts: TransformerParts): WeightAverage | null {
  if (ema === 0) return null;
  const { net, optimizer } = parts;
  const { masters } = parts.precision;
  const trained = new Set(optimizer.paramGroups.flatMap(({ params }) => params));
  const weights = [...net.stateDict()].filter(([, tensor]) => trained.has(masters.of([tensor])[0]!));
  return new WeightAverage(new Map(weights), ema, masters);
}

function describeCodes({ data, training }: RunConfig): string {
  const { views } = training;
  const several = data.crop === 'resized' ? `${views} crops of random size` : `${views} random crops`;
  const crops = views === 1 ? 'its central crop' : several;
  return `each image is encoded once: ${crops}${data.flip ? ', also mirrored' : ''}`;
}
