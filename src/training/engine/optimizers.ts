/** The optimizers of a run, by the names of `optim`. */
import { nearest } from '../../config/nearest.js';
import type { TrainingConfig } from '../../runs/config.js';
import type { OptimizerName } from '../../runs/setting-kinds.js';
import type { RunOptimizer } from '../../runs/state.js';
import * as optim from '../../torch/optim/index.js';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import type { GuardableOptimizer } from './guarded-optimizer.js';

/** An optimizer of `optim`, whatever its settings. */
export interface AnyOptimizer extends GuardableOptimizer, RunOptimizer {
  readonly paramGroups: { params: Tensor[]; lr: number }[];
  dispose(): void;
}

type Settings = Record<string, unknown>;
type OptimizerClass = new (params: Iterable<Tensor> | Iterable<Group>, options: Settings) => AnyOptimizer;
type Group = { params: Tensor[] } & Settings;

const classes = optim as unknown as Record<OptimizerName, OptimizerClass>;

/** Returns the name and the settings of `training.optimizer`. */
function chosen(
  { optimizer }: TrainingConfig,
  usual: OptimizerName,
): { name: OptimizerName; params: Settings } {
  if (optimizer === undefined) return { name: usual, params: {} };
  if (typeof optimizer === 'string') return { name: optimizer, params: {} };
  return { name: optimizer.target, params: { ...optimizer.params } };
}

/** Returns the names of an optimizer's settings. */
function settingsOf(name: OptimizerName): string[] {
  return torch.scope(() => Object.keys(new classes[name]([torch.zeros([1])], {}).paramGroups[0]!));
}

/**
 * Creates the optimizer of a configuration. Learning rate, betas and weight decay come from `training`, other settings
 * (and other betas) from `training.optimizer.params`. Settings of `training` that the optimizer does not have are left out.
 *
 * @param usual optimizer of the stage if the configuration does not name one
 * @param groups parameters, and settings of their own
 * @param more settings of the stage
 */
export function optimizerOf(
  training: TrainingConfig,
  usual: OptimizerName,
  groups: readonly Group[],
  more: Settings = {},
): AnyOptimizer {
  const { name, params } = chosen(training, usual);
  const known = settingsOf(name);
  const only = (settings: Settings) =>
    Object.fromEntries(Object.entries(settings).filter(([key]) => known.includes(key)));
  const { learningRate: lr, betas } = training;
  const options = { ...only({ lr, betas, ...more }), ...params };
  return new classes[name](
    groups.map(({ params: tensors, ...own }) => ({ ...only(own), params: tensors })),
    options,
  );
}

/**
 * Checks `training.optimizer` before anything is written.
 *
 * @throws TypeError for a setting that the optimizer does not have, or a value that it does not take
 */
export function checkOptimizer(training: TrainingConfig, usual: OptimizerName): void {
  const { name, params } = chosen(training, usual);
  const where = 'training.optimizer.params';
  const known = settingsOf(name).filter((key) => key !== 'params' && key !== 'lr');
  const elsewhere =
    usual === 'AdamW' ? { lr: 'learningRate', weightDecay: 'weightDecay' } : { lr: 'learningRate' };
  for (const [key, setting] of Object.entries(elsewhere))
    if (Object.hasOwn(params, key)) throw new TypeError(`${where}.${key}: set training.${setting} instead`);
  const unknown = Object.keys(params).find((key) => !known.includes(key));
  if (unknown !== undefined) {
    throw new TypeError(
      `${where}.${unknown}: ${name} has no such setting; did you mean "${nearest(unknown, known)}"?`,
    );
  }
  if (training.graph && !(classes[name].prototype instanceof optim.Adam) && name !== 'Adam') {
    throw new TypeError(
      `training.graph records steps of Adam and AdamW, not of ${name}: leave out one of them`,
    );
  }
  try {
    torch.scope(() => void optimizerOf(training, usual, [{ params: [torch.zeros([1])] }]));
  } catch (cause) {
    throw new TypeError(`${where}: ${(cause as Error).message}`, { cause });
  }
}
