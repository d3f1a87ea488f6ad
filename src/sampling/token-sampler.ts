import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import { inEvaluation } from '../torch/nn/index.js';
import type { KeyValueCache } from '../models/priors/key-value-cache.js';
import type { GPT } from '../models/priors/gpt.js';
import { DecodeKernels, whyNoDecodeKernels } from './decode-kernels.js';
import { DecodeStep } from './decode-step.js';
import { checkRoom, codesOnly } from './generate.js';
import type { GenerateOptions } from './generate.js';
import { checkFilterOptions, drawToken } from './filters.js';
import type { PickOptions } from './filters.js';
import { checkPeaks } from './logits-error.js';

/** Work that has been recorded: `run` repeats it. */
export interface RecordedStep {
  run(): void;
  dispose(): void;
  /** Why it runs as it is after all; null or absent where it is repeated. */
  readonly eagerReason?: string | null;
}

/** Records work, at once or at its first run, and without its effects. */
export type StepRecorder = (work: () => void) => RecordedStep;

export interface TokenSamplerOptions extends PickOptions {
  /** Rows sampled at once. */
  batch: number;
  /** Positions there is room for, embeddings and prefix included; default: the model's block. */
  capacity?: number;
  /** Attention looks at the next multiple of so many positions; there is one recording for each. Default 32. */
  bucket?: number;
  /** How to record a step; default: as a CUDA graph on CUDA, elsewhere and with null steps are run as they are. */
  record?: StepRecorder | null;
  /**
   * Run steps by kernels of our own instead of operators: for a batch of one, on CUDA. Their results are rounded alike, but
   * sums are taken in another order; they are compared with the operators' before the first step. Default: wherever they
   * can run. With `true`, `kernelFailure` says what keeps them from it.
   */
  kernels?: boolean;
}

/**
 * Samples again and again from one GPT, with the memory, the fused weights and the recordings of steps kept between calls.
 * Every call draws by the weights that the model has then: it may be trained, loaded into or moved in between. Call
 * `dispose()` when done (or declare the sampler with `using`).
 *
 * A model with an unmasked prefix needs its whole prefix given: tokens drawn within it would change what came before.
 *
 * @example
 * ```ts
 * const gpt = new GPT({ vocabSize: 1024, blockSize: 256, nLayer: 4, nHead: 8, nEmbd: 256 });
 * using sampler = new TokenSampler(gpt.eval(), { batch: 4, topK: 100 });
 * const prefix = torch.zeros([4, 1], { dtype: 'int64' });
 * const tokens = sampler.sample(prefix, 255); // [4, 256]
 * ```
 */
export class TokenSampler extends torch.InThread {
  readonly #gpt: GPT;
  readonly #pick: PickOptions;
  readonly #bucket: number;
  readonly #options: { batch: number; capacity: number; kernels: boolean | undefined };
  readonly #givenRecorder: StepRecorder | null | undefined;
  readonly #recorded = new Map<number, RecordedStep>();
  #prepared: Prepared | null;
  #kernelFailure: string | null = null;
  #disposed = false;

  constructor(gpt: GPT, options: TokenSamplerOptions) {
    super('a sampler', 'make one in each thread');
    const { batch, capacity = gpt.blockSize, bucket = 32, record, kernels, ...pick } = options;
    checkFilterOptions(pick);
    if (!Number.isSafeInteger(capacity) || capacity < 1 || capacity > gpt.blockSize) {
      throw new RangeError(
        `TokenSampler: capacity must be an integer from 1 to the model's block of ${gpt.blockSize}, got ${capacity}.`,
      );
    }
    if (!Number.isSafeInteger(bucket) || bucket < 1) {
      throw new RangeError(`TokenSampler: bucket must be a positive integer, got ${bucket}.`);
    }
    this.#gpt = gpt;
    this.#pick = pick;
    this.#bucket = bucket;
    this.#options = { batch, capacity, kernels };
    this.#givenRecorder = record;
    this.#prepared = this.#prepare();
  }

  /** Why steps are run by operators though kernels were asked for; else null. */
  get kernelFailure(): string | null {
    return this.#kernelFailure;
  }

  #prepare(): Prepared {
    const { batch, capacity, kernels } = this.#options;
    const gpt = this.#gpt;
    const pick = codesOnly(gpt, this.#pick);
    const cache = gpt.createCache(batch, capacity);
    const { step, failure } =
      (kernels ?? whyNoDecodeKernels(gpt, batch) === null)
        ? stepByKernels(gpt, cache, pick)
        : { step: new DecodeStep(gpt, cache, pick), failure: null };
    const record = this.#givenRecorder === undefined ? recorderFor(gpt, pick) : this.#givenRecorder;
    this.#kernelFailure = failure;
    return { cache, step, pick, record, places: placesOf(gpt) };
  }

  /** Has the next steps compute with the model's present weights. */
  #follow(): Prepared {
    if (this.#disposed) throw new torch.DisposedError('TokenSampler: it was disposed; make a new one.');
    const places = placesOf(this.#gpt);
    if (this.#prepared?.places === places) {
      // Always: weights that a graph, or other handles on the same memory, write to keep their version.
      this.#prepared.step.refresh();
      return this.#prepared;
    }
    // What was recorded reads where the weights lay.
    this.#release();
    this.#prepared = this.#prepare();
    return this.#prepared;
  }

  #release(): void {
    for (const recorded of this.#recorded.values()) recorded.dispose();
    this.#recorded.clear();
    this.#prepared?.step.dispose();
    this.#prepared?.cache.dispose();
    this.#prepared = null;
  }

  /** Why steps are run as they are though they were to be recorded; null where they are repeated, or not yet recorded. */
  get eagerReason(): string | null {
    for (const { eagerReason } of this.#recorded.values()) if (eagerReason) return eagerReason;
    return null;
  }

  /**
   * Continues token rows `[B, L]` by `steps` tokens: `[B, L + steps]` int64, as `generate` does. Waits for a GPU once, at
   * the end, to see that all logits were numbers, unless `onToken` reads the tokens.
   *
   * @throws RangeError where they do not fit; LogitsError naming the step at which logits were NaN or infinite
   */
  sample(
    prefix: Tensor,
    steps: number,
    { embeddings = null, onToken }: Pick<GenerateOptions, 'embeddings' | 'onToken'> = {},
  ): Tensor {
    const start = prefix.shape[1] ?? 0;
    const before = start + (embeddings?.shape[1] ?? 0); // positions ahead of the first drawn token
    this.#check(prefix, before, steps);
    const prepared = this.#follow();
    try {
      return inEvaluation(this.#gpt, () =>
        torch.noGrad(() =>
          torch.scope(() => {
            const { cache, step: decode, pick } = prepared;
            const { tokens, peaks } = decode;
            cache.reset();
            tokens.narrow(1, 0, start).copy_(prefix);
            if (steps > 0) {
              const logits = this.#gpt.forward(prefix, { embeddings, cache, lastOnly: true }).squeeze(1); // [B, V]
              const { token, peak } = drawToken(logits, pick);
              tokens.narrow(1, start, 1).copy_(token);
              peaks.narrow(1, start, 1).copy_(peak);
            }
            decode.moveTo(start, before);
            for (let step = 0; step < steps; step++) {
              if (step > 0) this.#next(prepared, before + step - 1);
              // Reading costs nothing where nothing has to be waited for.
              if (tokens.device === 'cpu') checkPeaks(peaks.narrow(1, start + step, 1), 'TokenSampler', step);
              onToken?.(step, tokens.narrow(1, start + step, 1));
            }
            if (tokens.device !== 'cpu') checkPeaks(peaks.narrow(1, start, steps), 'TokenSampler');
            return tokens.narrow(1, 0, start + steps).clone();
          }),
        ),
      );
    } catch (error) {
      prepared.cache.clear();
      throw error;
    }
  }

  /** Feeds the token at `position`: by running the step the first time in a bucket, from its recording afterwards. */
  #next({ step, record }: Prepared, position: number): void {
    const { capacity } = this.#options;
    const bucket = step.fused ? capacity : this.#bucket;
    const window = Math.min(capacity, (Math.floor(position / bucket) + 1) * bucket);
    const recorded = this.#recorded.get(window);
    if (recorded) {
      recorded.run();
      return;
    }
    const work = () => step.run(window);
    work();
    if (record) this.#recorded.set(window, record(work));
  }

  #check(prefix: Tensor, before: number, steps: number): void {
    const { batch, capacity } = this.#options;
    if (!Number.isSafeInteger(steps) || steps < 0) {
      throw new RangeError(`TokenSampler: steps must be an integer from 0, got ${steps}.`);
    }
    if (prefix.ndim !== 2 || prefix.shape[0] !== batch || before === 0) {
      throw new torch.ShapeError(
        `TokenSampler: made for a prefix [${batch}, length] of at least one token or embedding, got [${prefix.shape.join(', ')}].`,
      );
    }
    checkRoom('TokenSampler', before, steps, capacity);
    if (before < this.#gpt.nUnmasked && steps > 1) {
      throw new RangeError(
        `TokenSampler: the model's unmasked prefix has ${this.#gpt.nUnmasked} positions, of which ${before} are given; ` +
          'give them all, or use generate().',
      );
    }
  }

  /** Frees the memory and forgets the recordings; sampling is an error afterwards. */
  dispose(): void {
    this.#disposed = true;
    this.#release();
  }

  /** For `using`: frees the memory. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** What is made for weights that lie where they do. */
interface Prepared {
  cache: KeyValueCache;
  step: DecodeStep;
  pick: PickOptions;
  record: StepRecorder | null;
  places: string;
}

/** Where a model's weights lie, as what, and what is drawn: the same as long as nothing but values changes. */
function placesOf(gpt: GPT): string {
  const place = ({ storage, dtype, device, shape, strides }: Tensor) =>
    [storage.address, storage.offset, dtype, device, ...shape, ...strides].join(' ');
  return [gpt.nCodes, ...[...gpt.parameters()].map(place)].join('\n');
}

// As shares of the largest value: what rounding in other places may change.
const tolerated: Partial<Record<torch.DType, number>> = { float32: 1e-4, bfloat16: 3e-2, float16: 4e-3 };

/** A step by kernels if they can run it and agree with the operators; else one by operators, and why. */
function stepByKernels(
  gpt: GPT,
  cache: KeyValueCache,
  pick: PickOptions,
): { step: DecodeStep; failure: string | null } {
  const failure = whyNoDecodeKernels(gpt, cache.batch);
  if (failure !== null) return { step: new DecodeStep(gpt, cache, pick), failure };
  const { dtype } = gpt.posEmb;
  const step = new DecodeStep(gpt, cache, pick, DecodeKernels.for(dtype));
  try {
    const difference = step.differenceFromOperators();
    if (difference <= tolerated[dtype]!) return { step, failure: null };
    throw new torch.TorchError(`their results differ from the operators' by ${difference}`);
  } catch (error) {
    step.dispose();
    return { step: new DecodeStep(gpt, cache, pick), failure: (error as Error).message };
  }
}

function recorderFor({ posEmb }: GPT, { generator }: PickOptions): StepRecorder | null {
  if (!posEmb.device.startsWith('cuda')) return null;
  return torch.cuda.graphRecorder({ device: posEmb.device, ...(generator && { generators: [generator] }) });
}
