/** Classifier-free guidance (arXiv 2207.12598): logits move away from those of a dropped condition. */
import type { TwoStage } from '../models/two-stage.js';
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';

/** Share of the scale's distance from 1 at a place k/N of the image. */
const schedules = {
  constant: () => 1,
  linear: (place: number) => place,
  /** RAR's (arXiv 2411.00776). */
  cosine: (place: number, power: number) => (1 - Math.cos(Math.PI * place ** power)) / 2,
};

export type GuidanceSchedule = keyof typeof schedules;

/** Names of the schedules. */
export const guidanceSchedules = Object.keys(schedules) as GuidanceSchedule[];

export interface GuidanceOptions {
  /**
   * Scale s of classifier-free guidance: tokens are drawn from u + s·(c − u), where c are the logits under the condition
   * and u those under the dropped condition. Takes twice the work. Default 1: none.
   */
  guidance?: number | null;
  /**
   * Scale at token k of N, which grows from 1 to s: `constant` (s from the start, default), `linear`
   * (1 + (s − 1)·k/N), or `cosine` (1 + (s − 1)·(1 − cos(π·(k/N)^p))/2, as in RAR).
   */
  guidanceSchedule?: GuidanceSchedule;
  /** The power p of the cosine schedule. Default 1. */
  guidancePower?: number;
  /** Tokens of the image from `[A, B)`, counted from 0, that are guided; others are drawn from c. Default: all. */
  guidanceInterval?: readonly [number, number] | null;
}

/** Returns the guidance options among the settings. */
export function guidanceAmong(settings: GuidanceOptions): GuidanceOptions {
  const { guidance, guidanceSchedule, guidancePower, guidanceInterval } = settings;
  return {
    ...(guidance !== undefined && { guidance }),
    ...(guidanceSchedule !== undefined && { guidanceSchedule }),
    ...(guidancePower !== undefined && { guidancePower }),
    ...(guidanceInterval !== undefined && { guidanceInterval }),
  };
}

/** True if the options change the logits. */
export function isGuided({ guidance }: GuidanceOptions): boolean {
  return (guidance ?? 1) !== 1;
}

/** @throws RangeError naming the first invalid option */
export function checkGuidance(options: GuidanceOptions): void {
  const { guidance, guidanceSchedule = 'constant', guidancePower = 1, guidanceInterval } = options;
  if (!(Number.isFinite(guidance ?? 1) && (guidance ?? 1) >= 0)) {
    throw new RangeError(`guidance must be a non-negative number, 1 for none, got ${guidance}.`);
  }
  if (!guidanceSchedules.includes(guidanceSchedule)) {
    throw new RangeError(
      `guidanceSchedule must be one of ${guidanceSchedules.join(', ')}, got ${String(guidanceSchedule)}.`,
    );
  }
  if (!(guidancePower >= 0 && Number.isFinite(guidancePower))) {
    throw new RangeError(`guidancePower must be a non-negative number, got ${guidancePower}.`);
  }
  if (!guidanceInterval) return;
  const [from, to] = guidanceInterval;
  if (Number.isSafeInteger(from) && Number.isSafeInteger(to) && from >= 0 && from < to) return;
  throw new RangeError(
    `guidanceInterval must be two integers [A, B) with 0 ≤ A < B, the first token that is guided and the first that is not ` +
      `any more, got [${guidanceInterval.join(', ')}].`,
  );
}

/** Returns the scale at each of an image's `count` tokens: 1 where guidance does not act. */
export function guidanceScales(
  { guidance, guidanceSchedule = 'constant', guidancePower = 1, guidanceInterval }: GuidanceOptions,
  count: number,
): number[] {
  const [from, to] = guidanceInterval ?? [0, count];
  const share = schedules[guidanceSchedule];
  return Array.from({ length: count }, (_, k) =>
    k >= from && k < to ? 1 + ((guidance ?? 1) - 1) * share(k / count, guidancePower) : 1,
  );
}

/**
 * Returns u + s·(c − u), exactly c at s = 1 and u at s = 0, in at least float32.
 *
 * @param logits `[2B, V]`: c `[B, V]`, then u `[B, V]`
 * @param scale s, `[1]` or one for each row, `[B, 1]`, float64
 */
export function guidedLogits(logits: Tensor, scale: Tensor): Tensor {
  return torch.scope(() => {
    const whole = logits.dtype === 'float64' ? logits : logits.float();
    const [conditional, unconditional] = whole.chunk(2) as [Tensor, Tensor];
    return unconditional.lerp(conditional, scale.to(whole.dtype));
  });
}

/** @throws RangeError for an invalid option, or if guidance is asked for and the model has no dropped condition */
export function checkGuidable(net: Pick<TwoStage, 'isGuidable'>, options: GuidanceOptions): void {
  checkGuidance(options);
  if (!isGuided(options) || net.isGuidable) return;
  throw new RangeError(
    `guidance is ${options.guidance}, but the model was trained without dropped conditions, which guidance needs: ` +
      'train it with training.conditionDropout (--condition-dropout 0.1), or leave guidance out.',
  );
}

/**
 * Throws if guidance is asked for where it is not supported.
 * @throws RangeError saying what to do
 */
export function refuseGuidance(caller: string, options: GuidanceOptions): void {
  if (!isGuided(options)) return;
  throw new RangeError(
    `${caller}: guidance is ${options.guidance}, but here tokens are not drawn one after another; ` +
      "leave it out, or sample the model's own grid with a model of pkeep > 0.",
  );
}

/** Tokens or vectors of a dropped condition, and the vectors that they replace. */
export interface Dropped {
  embeddings?: Tensor | null | undefined;
  nullCondition?: Tensor | null | undefined;
  nullEmbeddings?: Tensor | null | undefined;
}

/**
 * Checks that guidance has a dropped condition: vectors of the embeddings' shape, or `[B, N]` or `[1, N]` tokens, which
 * replace the first N tokens of the prefix.
 * @throws TypeError if there is none; ShapeError if it does not fit the prefix `[B, L]`
 */
export function checkNullCondition(
  caller: string,
  prefix: Tensor,
  { embeddings, nullCondition, nullEmbeddings }: Dropped,
  options: GuidanceOptions,
): void {
  if (!isGuided(options)) return;
  if (nullEmbeddings) {
    if (String(nullEmbeddings.shape) === String(embeddings?.shape)) return;
    throw new torch.ShapeError(
      `${caller}: nullEmbeddings must have the shape of embeddings, [${(embeddings?.shape ?? []).join(', ')}], got [${nullEmbeddings.shape.join(', ')}].`,
    );
  }
  if (!nullCondition) {
    throw new TypeError(
      `${caller}: guidance is ${options.guidance}, but there are no tokens of a dropped condition: pass nullCondition, as ` +
        'Net2NetTransformer.dropped returns it for a model that was trained with training.condition_dropout.',
    );
  }
  const [batch, length] = prefix.shape as [number, number];
  const [rows, count] = nullCondition.shape as [number, number];
  if (nullCondition.ndim === 2 && (rows === batch || rows === 1) && count > 0 && count <= length) return;
  throw new torch.ShapeError(
    `${caller}: nullCondition must be [${batch}, count] with 1 to ${length} tokens, which replace the first ones of the prefix, ` +
      `got [${nullCondition.shape.join(', ')}].`,
  );
}
