/** Which keys the sections `data` and `training` may hold, and what. */
import {
  count,
  type Field,
  type Fields,
  flag,
  integer,
  type Kind,
  number,
  oneOf,
  optional,
  required,
  text,
} from '../models/config-schema.js';
import type { Stage } from './config.js';

const share: Kind = {
  description: 'a number from 0 to 1',
  accepts: (value) => typeof value === 'number' && value >= 0 && value <= 1,
};
const positive: Kind = {
  description: 'a number above 0',
  accepts: (value) => typeof value === 'number' && value > 0 && value < Infinity,
};
const notNegative: Kind = {
  description: 'a number from 0',
  accepts: (value) => typeof value === 'number' && value >= 0 && value < Infinity,
};
const betas: Kind = {
  description: 'two numbers from 0 to below 1',
  accepts: (value) =>
    Array.isArray(value) &&
    value.length === 2 &&
    value.every((b) => typeof b === 'number' && b >= 0 && b < 1),
};
const interval: Kind = {
  description: 'a number of steps, or a time such as 30s or 5m',
  accepts: (value) =>
    count.accepts(value) ||
    (typeof value === 'string' && /^\d+(\.\d+)?[sm]$/.test(value) && parseFloat(value) > 0),
};
const device: Kind = {
  description: 'auto, cpu, cuda or cuda:N',
  accepts: (value) => typeof value === 'string' && /^(auto|cpu|cuda(:\d+)?)$/.test(value),
};
const threads: Kind = {
  description: 'a positive integer or auto',
  accepts: (value) => value === 'auto' || count.accepts(value),
};

const channels: Kind = {
  description: '3, or 1 for grey images',
  accepts: (value) => value === 1 || value === 3,
};

export const dataFields: Fields = {
  path: required(text),
  size: optional(count),
  channels: optional(channels),
  crop: optional(oneOf('center', 'random')),
  flip: optional(flag),
  heldOut: optional(notNegative),
  heldOutPath: optional(text),
  onError: optional(oneOf('skip', 'stop')),
  changed: optional(oneOf('stop', 'accept')),
  count: optional(count),
  seed: optional(integer),
};

const sharedFields: Record<string, Field> = {
  steps: optional(count),
  minutes: optional(positive),
  batchSize: optional(count),
  learningRate: optional(positive),
  warmup: optional(share),
  decayFrom: optional(share),
  finalLearningRate: optional(share),
  betas: optional(betas),
  precision: optional(oneOf('float32', 'bfloat16', 'auto')),
  device: optional(device),
  threads: optional(threads),
  deterministic: optional(flag),
  seed: optional(integer),
  logEvery: optional(interval),
  imagesEvery: optional(interval),
  saveEvery: optional(interval),
  keep: optional(count),
};

/** The keys of `training` by stage. */
export const trainingFields: Record<Stage, Fields> = {
  vqgan: {
    ...sharedFields,
    step: optional(oneOf('one-pass', 'reference')),
    graph: optional(flag),
    channelsLast: optional(flag),
    discriminatorFrom: optional(share),
    restartCodes: optional(flag),
    lpips: optional(text),
  },
  transformer: {
    ...sharedFields,
    vqgan: optional(text),
    weightDecay: optional(number),
    views: optional(count),
    samples: optional(count),
    topK: optional(count),
  },
};

/** The keys of a configuration beside `model`, by section. */
export function configFields(stage: Stage): { data: Fields; training: Fields } {
  return { data: dataFields, training: trainingFields[stage] };
}
