/** Training of the second stage: a transformer over the codes of the frozen first stage. */
import { join } from 'node:path';
import { saveImageGrid } from '../../../data/image-grid.js';
import type { Net2NetTransformer } from '../../../models/two-stage.js';
import type { LoadReport } from '../../../models/weights/load.js';
import type { RunConfig } from '../../../runs/config.js';
import type { TrainedState } from '../../../runs/state.js';
import { LogitsError } from '../../../sampling/logits-error.js';
import { sampleImages } from '../../../sampling/images.js';
import * as torch from '../../../torch/index.js';
import type { Tensor } from '../../../torch/index.js';
import { keepingGenerators } from '../../engine/generators.js';
import type { Session } from '../../session.js';
import type { Figures, TrainableStage, StageKind } from '../../stage.js';
import { noteStart, withInitialWeights, type InitialWeights } from '../initial-weights.js';
import { buildTransformer, timeTransformerStep, type TransformerParts } from './build.js';
import { checkTransformer } from './check.js';
import { classesAmong, countClasses, spreadOver } from './classes.js';
import { codesFile, codesOf, RowOrder, type Codes } from './codes.js';
import { adoptFirstStage, loadFirstStage } from './first-stage.js';
import { heldOutLoss, measureCodes, tokensOf, type Tokens } from './held-out.js';
import { saveLabelledGrid } from './labelled-grid.js';

/** Number of held-out rows measured during the run; all of them are measured at its end. */
const MEASURED = 32;

/** Prepares a transformer for training. */
export const transformer: StageKind<TransformerStage> = {
  name: 'transformer',
  settle: countClasses,
  measure: timeTransformerStep,
  async adapt(config: RunConfig, notes: string[]) {
    const adapted = await adoptFirstStage(config);
    await withInitialWeights(adapted, (initial) => checkTransformer(adapted, initial));
    notes.push(describeCodes(adapted));
    return adapted;
  },
  async build(session: Session) {
    const { run, config } = session;
    // A checkpoint includes the first stage, so a resumed run needs nothing outside its folder.
    if (run.checkpoint) return new TransformerStage(session, null);
    return withInitialWeights(config, async (initial) => {
      const stage = new TransformerStage(session, initial);
      if (stage.beganWithFirstStage) return stage;
      const note = await loadFirstStage(stage.net.firstStageModel, config);
      if (note !== null) run.notes.push(note);
      return stage;
    });
  },
};

/** A transformer in training. */
export class TransformerStage implements TrainableStage<Tokens> {
  readonly net: Net2NetTransformer;
  readonly #session: Session;
  readonly #parts: TransformerParts;
  #codes: Codes | null = null;
  #order: RowOrder | null = null;
  /** Report on the initial weights of a new run; null if it has none. */
  #start: LoadReport | null = null;

  constructor(session: Session, initial: InitialWeights | null) {
    const { run, config, device, precision, draws } = session;
    torch.manualSeed(config.training.seed);
    const begin = (net: Net2NetTransformer) => {
      this.#start = noteStart(run, config, net, initial);
    };
    this.#session = session;
    this.#parts = buildTransformer(config, precision, device, draws, begin);
    this.net = this.#parts.net;
  }

  /** True if the initial weights include the first stage, which then takes precedence, as in the reference. */
  get beganWithFirstStage(): boolean {
    const key = 'first_stage_model.';
    return this.#start !== null && !this.#start.missing.some((lacking) => lacking.startsWith(key));
  }

  /** Encodes every image once: the first stage is frozen. */
  async prepare(signal?: AbortSignal): Promise<void> {
    this.#parts.masters.sync();
    const { run, train, heldOut, device, config } = this.#session;
    const { views, seed } = config.training;
    const encode = (images: Tensor) =>
      keepingGenerators(device, () => this.net.firstStageModel.encode(images).indices);
    const request = { train, heldOut, encode, device, views, flip: config.data.flip, seed, signal };
    this.#codes = await codesOf(join(run.folder, codesFile), request);
    if (!this.#codes) return;
    this.#order = new RowOrder(this.#codes.train.shape[0]!, seed, this.#begunAt);
  }

  get #begunAt(): number {
    return (this.#session.run.checkpoint?.state['data'] as number | undefined) ?? 0;
  }

  async next(): Promise<{ batch: Tokens; waited: number }> {
    await new Promise(setImmediate); // Steps are synchronous: a signal such as Ctrl-C needs a turn of the event loop.
    const { train, labels } = this.#codes!;
    const rows = this.#order!.next(this.#session.config.training.batchSize);
    return { batch: torch.scope(() => tokensOf(this.net, train, labels, rows)), waited: 0 };
  }

  step(tokens: Tokens): Record<string, Tensor> {
    return { loss: this.#parts.step(tokens) };
  }

  evaluate(): Figures {
    return heldOutLoss(this.net, this.#codes!, MEASURED);
  }

  async evaluateAll(): Promise<Figures> {
    return measureCodes(this.net, this.#codes!);
  }

  async draw(): Promise<string> {
    const { run, config, train } = this.#session;
    const path = run.imagePath('samples');
    const conditional = this.net.condition.field === 'label';
    const shown = spreadOver(conditional ? classesAmong(this.#codes!.labels) : [0], config.training.samples);
    const images = this.#sample(shown);
    try {
      const scale = Math.max(1, Math.floor(128 / config.data.size));
      if (!conditional) await saveImageGrid(path, images, { scale });
      else {
        const labels = shown.map((number) => ({
          class: number,
          name: train.classes[number] ?? `class ${number}`,
        }));
        await saveLabelledGrid(path, images, labels, { scale });
      }
    } finally {
      images.dispose();
    }
    return path;
  }

  /** Samples an image of each class: [N, C, H, W]. */
  #sample(classes: readonly number[]): Tensor {
    const { run, device, config } = this.#session;
    const { topK, seed } = config.training;
    try {
      return keepingGenerators(device, () => {
        torch.manualSeed(seed); // The same random numbers each time, so that only the model changes.
        const labels = torch.tensor(BigInt64Array.from(classes, BigInt), { device }); // [N]
        const side = Math.round(Math.sqrt(this.#codes!.train.shape[1]!));
        return sampleImages(this.net, this.net.encodeToC(labels).indices, {
          grid: [side, side],
          topK: Math.min(topK, this.net.transformer.vocabSize),
        });
      });
    } catch (error) {
      throw error instanceof LogitsError ? run.nonFinite(`no picture can be drawn: ${error.message}`) : error;
    }
  }

  state(): TrainedState {
    const { masters, net, optimizer } = this.#parts;
    return {
      model: masters.stateDict(net.stateDict()),
      optimizers: { transformer: optimizer },
      data: this.#order?.position ?? this.#begunAt,
    };
  }

  close(): Promise<void> {
    torch.dispose(this.#codes);
    this.#codes = null;
    return this.#session.close();
  }
}

function describeCodes({ data, training }: RunConfig): string {
  const crops = training.views === 1 ? 'its centre' : `${training.views} random crops`;
  return `codes are extracted once, of each picture ${crops}${data.flip ? ', and mirrored' : ''}`;
}
