import type { Schema } from '../config/schema.js';
import { resolveConfig, type RunConfig, type Stage, type TrainingConfig } from './config.js';
import { lengthKeys } from './length.js';
import { sectionsOf } from './settings.js';

/** Returns the keys of a section that a resumed run may change. */
const changeable = (schema: Schema): string[] =>
  Object.keys(schema).filter((key) => schema[key]?.changeable === true);

/** Returns the configuration of a resumed run: the stored one, with a few keys replaced. */
export function withChanges(stage: Stage, config: RunConfig, changes: unknown): RunConfig {
  const {
    training = {},
    data = {},
    ...rest
  } = (changes ?? {}) as {
    training?: Record<string, unknown>;
    data?: Record<string, unknown>;
  };
  const sections = sectionsOf(stage);
  const allowed = changeable(sections.training);
  const refusedIn = (section: 'data' | 'training', given: Record<string, unknown>) =>
    Object.keys(given)
      .filter((key) => !changeable(sections[section]).includes(key))
      .map((key) => `${section}.${key}`);
  const refused = [...Object.keys(rest), ...refusedIn('training', training), ...refusedIn('data', data)];
  if (refused.length > 0) {
    throw new TypeError(
      `a resumed run cannot change ${refused.join(', ')}, only data.path (if the images were moved), data.changed=accept ` +
        `(if the images were changed) and training.${allowed.join(', training.')}. Start a new run to change the rest`,
    );
  }
  return resolveConfig(stage, {
    model: config.model,
    data: { ...config.data, ...data },
    training: { ...withoutReplacedLength(config.training, training), ...training },
  });
}

/**
 * Returns the stored settings, without those that end the run if any of them is given: the old limit must not end it
 * early.
 */
function withoutReplacedLength(
  training: TrainingConfig,
  given: Record<string, unknown>,
): Partial<TrainingConfig> {
  if (!lengthKeys.some((key) => given[key] !== undefined)) return training;
  const kept = Object.entries(training).filter(([key]) => !(lengthKeys as readonly string[]).includes(key));
  return Object.fromEntries(kept);
}
