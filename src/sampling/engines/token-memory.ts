/** Tokens of the sequences being drawn, and the draw of the next one. */
import type { Prior } from '../../models/priors/prior.js';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import { drawToken, type Drawn, type PickOptions } from '../logits.js';
import { looksBack, seenIds } from '../repetition.js';

/** What a sequence starts with. */
export interface Start {
  /** First tokens, `[B, L]`. */
  prefix: Tensor;
  /** Vectors before the tokens, `[B, N, E]`. */
  embeddings?: Tensor | null;
  /** Number of the first tokens that are the condition; those after them are the image's. Default: all of the prefix. */
  conditionLength?: number | undefined;
}

/** Memory at fixed addresses for tokens and for what drawing needs of earlier ones, so that draws can be recorded. */
export class TokenMemory {
  /** Prefix and drawn tokens, `[B, room]` int64. */
  readonly tokens: Tensor;
  /** Largest of the logits each token was drawn from, at that token's index: `[B, room]` float64. */
  readonly peaks: Tensor;
  readonly #prior: Prior;
  readonly #pick: PickOptions;
  /** Number of the image's first token, int64 `[1]`; null if no option looks at earlier tokens. */
  readonly #first: Tensor | null;

  constructor(
    prior: Prior,
    pick: PickOptions,
    { batch, room, device }: { batch: number; room: number; device: torch.Device },
  ) {
    this.#prior = prior;
    this.#pick = pick;
    this.tokens = torch.keep(torch.zeros([batch, room], { dtype: 'int64', device }));
    this.peaks = torch.keep(torch.zeros([batch, room], { dtype: 'float64', device }));
    this.#first = looksBack(pick) ? torch.keep(torch.zeros([1], { dtype: 'int64', device })) : null;
  }

  /** Starts sequences. */
  begin({ prefix, conditionLength = prefix.shape[1]! }: Start): void {
    this.tokens.narrow(1, 0, prefix.shape[1]!).copy_(prefix);
    this.#first?.fill_(conditionLength);
  }

  /**
   * Draws token number `at` of each row from its logits `[B, V]`, without storing it.
   * @param at a number, or int64 `[1]` if the work is recorded
   */
  draw(logits: Tensor, at: number | Tensor): Drawn {
    if (!this.#first) return drawToken(logits, this.#pick);
    const { tokens } = this;
    const number =
      typeof at === 'number' ? torch.full([1], at, { dtype: 'int64', device: tokens.device }) : at;
    const seen = seenIds(tokens, {
      first: this.#first,
      at: number,
      window: this.#pick.repetitionWindow ?? null,
      vocabulary: this.#prior.vocabSize,
    });
    return drawToken(logits, this.#pick, null, seen);
  }

  /** Frees the memory immediately. */
  dispose(): void {
    torch.dispose([this.tokens, this.peaks, this.#first]);
  }
}
