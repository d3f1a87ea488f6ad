/** The settings of a run: the sections `data` and `training` of its configuration, by stage. */
import {
  changeable,
  count,
  flag,
  flagged,
  integer,
  kind,
  number,
  oneOf,
  optional,
  positive,
  share,
  text,
  type Schema,
  type Settings,
} from '../config/schema.js';
import { dataSchema as imageSchema } from '../data/settings.js';
import type { Device } from '../torch/index.js';

/** Which of the two trainings: `vqgan` is the first, `transformer` the second. */
export type Stage = 'vqgan' | 'transformer';

/** A number of steps, or a time: `500`, `'30s'`, `'5m'`. */
export type Interval = number | string;

const isCount = (value: unknown) => count().accepts(value);
const interval = kind<Interval>(
  'a number of steps, or a time such as 30s or 5m',
  (value) =>
    isCount(value) || (typeof value === 'string' && /^\d+(\.\d+)?[sm]$/.test(value) && parseFloat(value) > 0),
);
const device = kind<'auto' | Device>(
  'auto, cpu, cuda or cuda:N',
  (value) => typeof value === 'string' && /^(auto|cpu|cuda(:\d+)?)$/.test(value),
);
const threads = kind<number | 'auto'>(
  'a positive integer or auto',
  (value) => value === 'auto' || isCount(value),
);
const betas = kind<[number, number]>(
  'two numbers from 0 to below 1',
  (value) =>
    Array.isArray(value) &&
    value.length === 2 &&
    value.every((beta) => typeof beta === 'number' && beta >= 0 && beta < 1),
);

export const dataSchema = {
  ...imageSchema,
  /** A resumed run whose pictures are no longer the same: refused (`stop`, default), or goes on with them. */
  changed: changeable(optional(oneOf('stop', 'accept')())),
};

// In the order in which a configuration is printed.
const shared = {
  /** Share of the run in which the learning rate rises. Default 0.02. */
  warmup: share(0.02),
  /** Share of the run after which it falls. Default 0.4. */
  decayFrom: share(0.4),
  /** What it falls to, as a share of the peak. Default 0.05. */
  finalLearningRate: changeable(share(0.05)),
  /** `auto` times both and takes the faster. Default float32. */
  precision: oneOf('float32', 'bfloat16', 'auto')('float32'),
  /** `auto`: CUDA where there is one. */
  device: changeable(device('auto')),
  /** `auto`: the processors that are idle when the run starts. */
  threads: changeable(threads('auto')),
  /** CUDA: algorithms that give the same bits in every run, as far as there are such, at some cost. Default false. */
  deterministic: flag(false),
  /** Of the generators and of the order of the images. Default 1. */
  seed: integer(1),
  /** Losses and held-out figures. Default 10s. */
  logEvery: changeable(interval('10s')),
  /** Picture grids. Default 1m. */
  imagesEvery: changeable(interval('1m')),
  /** Checkpoints. Default 5m. */
  saveEvery: changeable(interval('5m')),
  /** Checkpoints kept besides the best one. Default 2. */
  keep: changeable(count(2)),
};

const end = {
  /** The run ends after so many steps, or minutes, whichever is first; at least one is given. */
  steps: changeable(optional(flagged('--steps <n>', 'end after so many steps', count()))),
  /** See `steps`. */
  minutes: changeable(optional(flagged('--minutes <m>', 'end after so many minutes', positive()))),
};

const vqgan = {
  ...shared,
  /** Images of a step. Default 4, stage 2: 8. */
  batchSize: count(4),
  /** Peak of the schedule. Default: `model.base_learning_rate` times the batch size, else 1e-4 (stage 2: 3e-4). */
  learningRate: changeable(positive(1e-4)),
  /** Adam's. Default (0.5, 0.9), stage 2 (0.9, 0.95), as the reference. */
  betas: betas([0.5, 0.9]),
  /** Stage 1. Default one-pass, which computes the generator's forward once for both updates. */
  step: oneOf('one-pass', 'reference')('one-pass'),
  /** Stage 1 on CUDA: replay steps as a CUDA graph, where that can be done. Default false. */
  graph: flag(false),
  /** Stage 1: pictures, activations and convolution weights with their channels side by side in memory. Default false. */
  channelsLast: flag(false),
  /** Stage 1: share of the run before which the discriminator is off, besides the loss's own disc_start. Default 0. */
  discriminatorFrom: share(0),
  /**
   * Stage 1: move unused codes onto latents every 50 steps in the first 60% of the run, which the run says it cannot for
   * a Gumbel codebook. Default true.
   */
  restartCodes: flag(true),
  ...end,
  /** Stage 1: safetensors file with the reference's LPIPS weights; `off`; default: what `tessera-torch setup` stored. */
  lpips: changeable(optional(text())),
};

const transformer = {
  ...shared,
  batchSize: count(8),
  learningRate: changeable(positive(3e-4)),
  betas: betas([0.9, 0.95]),
  /** Stage 2: decay of the linear layers' weights. Default 0.01. */
  weightDecay: number(0.01),
  /** Stage 2: crops a picture is encoded in, each with its mirror image if data.flip; 1 is its centre. Default 1. */
  views: count(1),
  /** Stage 2: pictures in a grid of samples. Default 16. */
  samples: changeable(count(16)),
  /** Stage 2: samples are drawn from the so many likeliest codes. Default 100. */
  topK: changeable(count(100)),
  ...end,
  /** Stage 2: run folder of the trained first stage, or a checkpoint file of the model in first_stage_config. */
  vqgan: optional(flagged('--vqgan <run>', 'run folder of the trained first stage', text())),
};

const dataSchemas = {
  vqgan: dataSchema,
  transformer: {
    ...dataSchema,
    path: flagged('--data <folder>', "pictures; default: the VQGAN's", dataSchema.path),
  },
} satisfies Record<Stage, Schema>;

/** The keys of `training` by stage. */
const trainingSchemas = { vqgan, transformer } satisfies Record<Stage, Schema>;

/** The sections besides `model`, by stage. */
export const sectionsOf = (stage: Stage) => ({ data: dataSchemas[stage], training: trainingSchemas[stage] });

/** The settings of both stages; a run has those of its own. */
export type TrainingConfig = Settings<typeof vqgan & typeof transformer>;
