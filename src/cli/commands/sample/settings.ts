/** The settings of `sample`: how codes are drawn, and the recipe that names them. */
import type { RunConfig } from '../../../runs/config.js';
import type { TwoStage } from '../../../models/two-stage.js';
import type { DrawOptions } from '../../../sampling/engines/token-memory.js';
import { guidanceAmong, isGuided, type GuidanceOptions } from '../../../sampling/guidance.js';
import { filtersAmong, type FilterOptions } from '../../../sampling/logits.js';
import { UsageError } from '../../usage-error.js';
import type { SampleFlags } from './command.js';

/** Settings with which codes are drawn. */
export interface DrawSettings {
  pick: DrawOptions;
  filters: FilterOptions & { topK: number; temperature: number };
  guidance: GuidanceOptions;
}

/**
 * Reads the settings from the flags and the run's configuration.
 *
 * @throws UsageError for guidance or seeds that the model does not support
 */
export function drawSettings(
  model: TwoStage,
  flags: SampleFlags,
  { config, run }: { config: RunConfig; run: string },
): DrawSettings {
  const topK = Math.min(flags.topK ?? config.training.topK ?? 100, model.transformer.vocabSize);
  const temperature = flags.greedy ? 0 : flags.temperature;
  const filters = {
    ...filtersAmong({ ...flags, temperature, topK, topP: flags.topP ?? 1 }),
    topK,
    temperature,
  };
  const guidance = guidanceAmong(flags);
  if (isGuided(guidance) && !model.isGuidable) {
    throw new UsageError(
      `--guidance ${flags.guidance}: ${run} was trained without dropped conditions; train it with --condition-dropout 0.1`,
    );
  }
  if (model.pkeep <= 0 && (flags.seeds || flags.perImageSeeds)) {
    throw new UsageError(
      `${flags.seeds ? '--seeds' : '--per-image-seeds'}: ${run} draws all codes at once, so that images cannot have seeds of their own; use --seed`,
    );
  }
  const watched = flags.stream !== undefined ? '--stream' : flags.animate !== undefined ? '--animate' : null;
  if (model.pkeep <= 0 && watched) {
    throw new UsageError(
      `${watched}: ${run} draws all codes at once, so that there is nothing to show before`,
    );
  }
  const greedy = temperature === 0 && { greedy: true, temperature: 1 };
  return { pick: { ...filters, ...guidance, ...greedy }, filters, guidance };
}

/** @throws UsageError for flags of `--image` without it, and others that need each other */
export function checkTogether(flags: SampleFlags): void {
  if (flags.at && !flags.size) {
    throw new UsageError(`--at ${flags.at.join(',')}: name the size of the whole image with --size`);
  }
  if (flags.share !== undefined && flags.vary === undefined) {
    throw new UsageError(`--share ${flags.share} is for an image to vary: name one with --vary`);
  }
  if (flags.image !== undefined) return;
  const stray = (['mask', 'keep', 'at', 'raw'] as const).find((name) => flags[name] !== undefined);
  if (stray) throw new UsageError(`--${stray} is for an image to complete: name one with --image`);
}

/** Returns the entries of the recipe that name the image to complete, and the size; JSON leaves out undefined ones. */
export function imageRecipe(flags: SampleFlags): Record<string, unknown> {
  const { image, mask, keep, at, size, vary, share = 0.3 } = flags;
  return { size, image, mask, keep, at, ...(vary !== undefined && { vary, share }) };
}
