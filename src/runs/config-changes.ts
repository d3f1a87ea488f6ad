import type { Schema } from '../config/schema.js';
import { resolveConfig, type RunConfig, type Stage, type TrainingConfig } from './config.js';
import { sectionsOf } from './settings.js';

/** The keys of a section that a resumed run may be given another value of. */
const changeable = (schema: Schema): string[] =>
  Object.keys(schema).filter((key) => schema[key]?.changeable === true);

/** The configuration of a resumed run: what the folder holds, with a few keys replaced. */
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
      `a resumed run keeps its ${refused.join(', ')}; what may change is data.path (pictures that were moved), data.changed=accept (pictures that are others now) and ` +
        `training.${allowed.join(', training.')}. Start a new run for the rest`,
    );
  }
  return resolveConfig(stage, {
    model: config.model,
    data: { ...config.data, ...data },
    training: { ...withoutReplacedLength(config.training, training), ...training },
  });
}

/** The stored settings without steps and minutes where either is given: the old end must not cut short the new one. */
function withoutReplacedLength(
  { steps, minutes, ...rest }: TrainingConfig,
  given: Record<string, unknown>,
): Partial<TrainingConfig> {
  const replaced = given['steps'] !== undefined || given['minutes'] !== undefined;
  return replaced
    ? rest
    : { ...rest, ...(steps !== undefined && { steps }), ...(minutes !== undefined && { minutes }) };
}
