import { resolveConfig, type RunConfig, type Stage, type TrainingConfig } from './config.js';

/** Keys of `training` that a resumed run may be given anew: none of them changes what was already computed. */
const changeable = [
  'steps',
  'minutes',
  'learningRate',
  'finalLearningRate',
  'logEvery',
  'imagesEvery',
  'saveEvery',
];
const changeableData = ['path', 'heldOutPath', 'changed'];
const changeableToo = ['keep', 'device', 'threads', 'lpips', 'samples', 'topK'];

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
  const allowed = [...changeable, ...changeableToo];
  const refused = [
    ...Object.keys(rest),
    ...Object.keys(training).flatMap((key) => (allowed.includes(key) ? [] : [`training.${key}`])),
    ...Object.keys(data).flatMap((key) => (changeableData.includes(key) ? [] : [`data.${key}`])),
  ];
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
