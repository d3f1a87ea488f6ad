/** Kinds of values that settings of a run have. */
import { count, isTree, kind, share } from '../config/schema.js';
import type { Device } from '../torch/index.js';

/** A number of steps, or a time: `500`, `'30s'`, `'5m'`. */
export type Interval = number | string;

const isCount = (value: unknown) => count().accepts(value);
export const interval = kind<Interval>(
  'a number of steps, or a time such as 30s or 5m',
  (value) =>
    isCount(value) || (typeof value === 'string' && /^\d+(\.\d+)?[sm]$/.test(value) && parseFloat(value) > 0),
);
export const device = kind<'auto' | Device>(
  'auto, cpu, cuda or cuda:N',
  (value) => typeof value === 'string' && /^(auto|cpu|cuda(:\d+)?)$/.test(value),
);
export const threads = kind<number | 'auto'>(
  'a positive integer or auto',
  (value) => value === 'auto' || isCount(value),
);
/** Parts of a first stage that a run may keep as they are. */
export type FrozenPart = 'encoder' | 'quantizer';
const frozenPartNames: readonly string[] = ['encoder', 'quantizer'] satisfies FrozenPart[];
/** Returns the names in a list, or in a text that separates them by commas. */
const namesOf = (value: unknown): unknown[] =>
  typeof value === 'string' ? value.split(',') : Array.isArray(value) ? value : [value];
export const parts = kind<string | readonly FrozenPart[]>(
  `the parts to freeze, ${frozenPartNames.join(' or ')}, or both, separated by a comma`,
  (value) => namesOf(value).every((name) => frozenPartNames.includes(name as string)),
);

/** Returns the parts that a run keeps as they are. */
export const frozenPartsOf = ({ freeze = [] }: { freeze?: string | readonly FrozenPart[] }) =>
  [...new Set(namesOf(freeze))] as FrozenPart[];

/** Precisions in which networks are trained: that of their weights, or of float32 weights under autocast. */
export const precisions = [
  'float32',
  'bfloat16',
  'float16',
  'autocast-bfloat16',
  'autocast-float16',
] as const;
export type Precision = (typeof precisions)[number];

/** Shapes of the learning rate over a run. */
export type ScheduleName = 'linear' | 'cosine' | 'constant' | 'reference';
export const scheduleNames = ['linear', 'cosine', 'constant', 'reference'] as const satisfies ScheduleName[];

export const shareOrSteps = kind<number>(
  'a share of the run from 0 to 1, or a number of steps from 2 on',
  (value) => share().accepts(value) || (isCount(value) && value !== 1),
);

export const betas = kind<[number, number]>(
  'a list of two numbers in [0, 1)',
  (value) =>
    Array.isArray(value) &&
    value.length === 2 &&
    value.every((beta) => typeof beta === 'number' && beta >= 0 && beta < 1),
);

/** Optimizers of `optim` that a run can use. */
export const optimizerNames = [
  'Adadelta',
  'Adagrad',
  'Adam',
  'AdamW',
  'Adamax',
  'ASGD',
  'NAdam',
  'RAdam',
  'RMSprop',
  'Rprop',
  'SGD',
] as const;
export type OptimizerName = (typeof optimizerNames)[number];

/** An optimizer, and settings of it under their names in `optim`. */
export interface ChosenOptimizer {
  target: OptimizerName;
  params?: Readonly<Record<string, unknown>>;
}

const isOptimizerName = (value: unknown) => (optimizerNames as readonly unknown[]).includes(value);
export const optimizer = kind<OptimizerName | ChosenOptimizer>(
  `one of ${optimizerNames.join(', ')}, or { target, params } with such a target`,
  (value) =>
    isOptimizerName(value) ||
    (isTree(value) &&
      isOptimizerName(value['target']) &&
      (value['params'] === undefined || isTree(value['params'])) &&
      Object.keys(value).every((key) => key === 'target' || key === 'params')),
);
