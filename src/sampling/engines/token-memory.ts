/** Tokens of the sequences being drawn, and the draw of the next one. */
import type { Prior } from '../../models/priors/prior.js';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import { rowNoise, seedWords } from '../cell-noise.js';
import { guidanceScales, guidedLogits, isGuided, type GuidanceOptions } from '../guidance.js';
import { drawToken, type Drawn, type PickOptions } from '../logits.js';
import { looksBack, seenIds } from '../repetition.js';

/** Start of a batch of sequences. */
export interface Start {
  /** First tokens, `[B, L]`. */
  prefix: Tensor;
  /** Vectors before the tokens, `[B, N, E]`. */
  embeddings?: Tensor | null;
  /** Number of the first tokens that are the condition; those after them are the image's. Default: all of the prefix. */
  conditionLength?: number | undefined;
  /** Tokens of the dropped condition, `[B, N]`, instead of the first N; with guidance, these or `nullEmbeddings`. */
  nullCondition?: Tensor | null | undefined;
  /** Vectors of the dropped condition, `[B, N, E]`, instead of `embeddings`. */
  nullEmbeddings?: Tensor | null | undefined;
  /** Seed of each row, instead of the generator. Default: none. */
  seeds?: readonly number[] | null | undefined;
  /** Number of tokens to draw. */
  steps: number;
}

/** Options of drawing tokens. */
export interface DrawOptions extends PickOptions, GuidanceOptions {}

/** Memory at fixed addresses for tokens and for the values that drawing needs, so that draws can be recorded. */
export class TokenMemory {
  /** Prefix and drawn tokens, `[B, room]` int64. */
  readonly tokens: Tensor;
  /** The tokens as the model is given them, `[R, room]`: with guidance again, after the dropped condition (R = 2B). */
  readonly fed: Tensor;
  /** Largest of the logits each token was drawn from, at that token's index: `[B, room]` float64. */
  readonly peaks: Tensor;
  readonly #prior: Prior;
  readonly #options: DrawOptions;
  /** Number of the image's first token, int64 `[1]`. */
  readonly #first: Tensor;
  readonly #looksBack: boolean;
  /** Words of the rows' seeds, `[2, B, 1]` int64. */
  readonly #seeds: Tensor;
  /** True if the present sequences have a seed each. */
  seeded = false;
  /** Scale of guidance at each token, `[room]` float64; null without guidance. */
  readonly #scales: Tensor | null;

  constructor(
    prior: Prior,
    options: DrawOptions,
    { batch, room, device }: { batch: number; room: number; device: torch.Device },
  ) {
    const guided = isGuided(options);
    this.#prior = prior;
    this.#options = options;
    this.fed = torch.keep(torch.zeros([rowsFor(batch, options), room], { dtype: 'int64', device }));
    this.tokens = guided ? torch.keep(this.fed.narrow(0, 0, batch)) : this.fed;
    this.peaks = torch.keep(torch.zeros([batch, room], { dtype: 'float64', device }));
    this.#first = torch.keep(torch.zeros([1], { dtype: 'int64', device }));
    this.#looksBack = looksBack(options);
    this.#seeds = torch.keep(torch.zeros([2, batch, 1], { dtype: 'int64', device }));
    this.#scales = guided ? torch.keep(torch.ones([room], { dtype: 'float64', device })) : null;
  }

  /** Starts sequences. */
  begin({ prefix, conditionLength, nullCondition, seeds, steps }: Start): void {
    const [batch, length] = prefix.shape as [number, number];
    const first = conditionLength ?? nullCondition?.shape[1] ?? length;
    this.#first.fill_(first);
    this.seeded = Boolean(seeds) && !this.#options.greedy;
    if (seeds) this.#seeds.copy_(seedWords(seeds, 'cpu'));
    this.tokens.narrow(1, 0, length).copy_(prefix);
    if (!this.#scales) return;
    const unconditional = this.fed.narrow(0, batch, batch);
    unconditional.narrow(1, 0, length).copy_(prefix);
    if (nullCondition) unconditional.narrow(1, 0, nullCondition.shape[1]!).copy_(nullCondition);
    const count = length + steps - first;
    if (count === 0) return;
    const scales = guidanceScales(this.#options, count);
    this.#scales.narrow(0, first, count).copy_(torch.tensor(Float64Array.from(scales)));
  }

  /**
   * Draws token number `at` of each row from the logits of all rows `[R, V]`. Returns it without storing it, for the rows of
   * `tokens` as `token` and for those of `fed` as `next`.
   *
   * @param at a number, or int64 `[1]` if the work is recorded
   */
  draw(logits: Tensor, at: number | Tensor): Drawn & { next: Tensor } {
    const plain = !this.#scales && !this.#looksBack && !this.seeded;
    const given = plain ? { logits, noise: null, seen: null } : this.#given(logits, at);
    const { token, peak } = drawToken(given.logits, this.#options, given.noise, given.seen);
    return { token, peak, next: this.#scales ? torch.cat([token, token]) : token };
  }

  /** Returns the guided logits, the rows' own noise and the ids drawn before, each `[B, V]`; null where an option is off. */
  #given(logits: Tensor, at: number | Tensor) {
    const { tokens } = this;
    const first = this.#first;
    const number =
      typeof at === 'number' ? torch.full([1], at, { dtype: 'int64', device: tokens.device }) : at;
    const window = this.#options.repetitionWindow ?? null;
    const vocabulary = this.#prior.vocabSize;
    return {
      logits: this.#scales ? guidedLogits(logits, this.#scales.indexSelect(0, number)) : logits,
      noise: this.seeded ? rowNoise(this.#seeds, vocabulary)(number.sub(first)).squeeze(1) : null,
      seen: this.#looksBack ? seenIds(tokens, { first, at: number, window, vocabulary }) : null,
    };
  }

  /** Frees the memory immediately. */
  dispose(): void {
    torch.dispose([this.tokens, this.fed, this.peaks, this.#first, this.#seeds, this.#scales]);
  }
}

/** Returns the number of rows R that the model is given for `batch` images. */
export function rowsFor(batch: number, options: GuidanceOptions): number {
  return isGuided(options) ? 2 * batch : batch;
}
