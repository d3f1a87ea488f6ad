/** Settings of `VectorQuantize`, of which residual quantizers take most. */
import { count, flag, notNegative, number, optional, share, type Settings } from '../../config/schema.js';
import { drawsSetting } from './draws.js';
import { remapSchema } from './remap.js';

/** Settings of the codes: how they are chosen, moved and kept apart. */
export const codebookSchema = {
  /** Fraction of the old average kept at each update. Default 0.8. */
  decay: share(0.8),
  /** Smoothing of the code counts. Default 1e-5. */
  eps: notNegative(1e-5),
  /** If true, latents and codes have length 1, and codes are chosen by the largest dot product. Default false. */
  useCosineSim: flag(false),
  /** If true, gradients reach the latents by the rotation trick, otherwise straight through. Default true. */
  rotationTrick: flag(true),
  /** Weight of the distance between latents and codes. Default 1. */
  commitmentWeight: notNegative(1),
  /** If true, the distance is replaced by the cross-entropy of the choice. Default false. */
  commitmentUseCrossEntropyLoss: flag(false),
  /** If true, codes are trained by the distance, not by averages. Default false. */
  learnableCodebook: flag(false),
  /** If true, codes follow averages of their latents. Default true unless codes are trained. */
  emaUpdate: optional(flag()),
  /** Codes whose average count is below this are moved to latents of the batch. Default 0: none. */
  thresholdEmaDeadCode: notNegative(0),
  /** Weight of the squared cosines between codes. Default 0. */
  orthogonalRegWeight: notNegative(0),
  /** If true, only codes that were chosen are kept apart so. Default false. */
  orthogonalRegActiveCodesOnly: flag(false),
  /** Number of codes, drawn at random, that are kept apart so. Default all. */
  orthogonalRegMaxCodes: optional(count()),
  /** Weight of the entropy of the choice at each position, which is raised. Default 0. */
  codebookDiversityLossWeight: notNegative(0),
  /** Factor of the distances in that choice. Default 100. */
  codebookDiversityTemperature: number(100),
  /** Share by which the gradient to the latents is enlarged, with `learnableCodebook`. Default 0. */
  syncUpdateV: share(0),
  /** If true, the first training batch gives the codes, by k-means. Default false. */
  kmeansInit: flag(false),
  /** Number of steps of k-means. Default 10. */
  kmeansIters: count(10),
  /** Random draws to use instead of own ones. */
  draws: drawsSetting(),
};

export const vectorQuantizeSchema = {
  /** Number of codes in the codebook. */
  nEmbed: count(),
  /** Width of the latents, D. */
  embedDim: count(),
  /** Width of a code; linear maps lead to it and back if D is not this times `heads`. Default D. */
  codebookDim: optional(count()),
  /** Number of codes at each position, each of a part of the channels; indices have a last axis of them. Default 1. */
  heads: count(1),
  /** If true, each head has a codebook of its own. Default false. */
  separateCodebookPerHead: flag(false),
  ...codebookSchema,
  /** If true, gradients reach latents and codes by noisy directed steps, without a loss (DiVeQ). Default false. */
  directionalReparam: flag(false),
  /** Variance of that noise. Default 5e-3. */
  directionalReparamVariance: notNegative(5e-3),
  ...remapSchema,
};

/** Throws if settings exclude each other. */
export function checkTogether(settings: Settings<typeof vectorQuantizeSchema>): void {
  const wrong = mistake(settings);
  if (wrong !== null) throw new TypeError(`VectorQuantize: ${wrong}`);
}

function mistake(settings: Settings<typeof vectorQuantizeSchema>): string | null {
  const { learnableCodebook, emaUpdate, directionalReparam, heads } = settings;
  if (emaUpdate && (learnableCodebook || directionalReparam)) {
    const other = learnableCodebook ? 'learnableCodebook' : 'directionalReparam';
    return `with ${other} codes are trained, but emaUpdate is true, which lets them follow averages: leave one out`;
  }
  if (settings.syncUpdateV > 0 && !learnableCodebook)
    return `syncUpdateV is ${settings.syncUpdateV}, which needs learnableCodebook: true`;
  if (directionalReparam && settings.thresholdEmaDeadCode === 0)
    return 'directionalReparam needs a thresholdEmaDeadCode above 0, because no loss draws unused codes to latents';
  if (settings.separateCodebookPerHead && settings.orthogonalRegActiveCodesOnly && heads > 1)
    return 'orthogonalRegActiveCodesOnly needs one codebook, but separateCodebookPerHead is true: leave one out';
  if (settings.remap && heads > 1) return `remap counts the codes of one head, but heads is ${heads}`;
  return null;
}
