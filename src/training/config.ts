/** What a run is told, as one YAML file holds it: `model` in the reference's own structure, `data` and `training`. */
import { nearest, readFields } from '../models/config-schema.js';
import type { Channels } from '../data/image-source.js';
import type { DataConfig } from '../data/open-images.js';
import type { ModelConfig } from '../models/from-config.js';
import type { Device } from '../torch/index.js';
import { dataFields, trainingFields } from './config-fields.js';

export { configFields } from './config-fields.js';

/** Which of the two trainings: `vqgan` is the first, `transformer` the second. */
export type Stage = 'vqgan' | 'transformer';

/** A number of steps, or a time: `500`, `'30s'`, `'5m'`. */
export type Interval = number | string;

export interface TrainingConfig {
  /** The run ends after so many steps, or minutes, whichever is first; at least one is given. */
  steps?: number;
  minutes?: number;
  batchSize: number;
  /** Peak of the schedule. Default: `model.base_learning_rate` times the batch size, else 1e-4 (stage 2: 3e-4). */
  learningRate: number;
  /** Share of the run in which the learning rate rises. Default 0.02. */
  warmup: number;
  /** Share of the run after which it falls. Default 0.4. */
  decayFrom: number;
  /** What it falls to, as a share of the peak. Default 0.05. */
  finalLearningRate: number;
  /** Adam's. Default (0.5, 0.9), stage 2 (0.9, 0.95), as the reference. */
  betas: [number, number];
  /** `auto` times both and takes the faster. Default float32. */
  precision: 'float32' | 'bfloat16' | 'auto';
  /** `auto`: CUDA where there is one. */
  device: 'auto' | Device;
  /** `auto`: the processors that are idle when the run starts. */
  threads: number | 'auto';
  /** CUDA: algorithms that give the same bits in every run, as far as there are such, at some cost. Default false. */
  deterministic: boolean;
  seed: number;
  /** Losses and held-out figures. Default 10s. */
  logEvery: Interval;
  /** Picture grids. Default 1m. */
  imagesEvery: Interval;
  /** Checkpoints. Default 5m. */
  saveEvery: Interval;
  /** Checkpoints kept besides the best one. Default 2. */
  keep: number;
  /** Stage 1. Default one-pass, which computes the generator's forward once for both updates. */
  step: 'one-pass' | 'reference';
  /** Stage 1 on CUDA: replay steps as a CUDA graph, where that can be done. Default false. */
  graph: boolean;
  /** Stage 1: pictures, activations and convolution weights with their channels side by side in memory. Default false. */
  channelsLast: boolean;
  /** Stage 1: share of the run before which the discriminator is off, besides the loss's own disc_start. Default 0. */
  discriminatorFrom: number;
  /**
   * Stage 1: move unused codes onto latents every 50 steps in the first 60% of the run, which the run says it cannot for
   * a Gumbel codebook. Default true.
   */
  restartCodes: boolean;
  /** Stage 1: safetensors file with the reference's LPIPS weights; `off`; default: what `tessera-torch setup` stored. */
  lpips: string;
  /** Stage 2: run folder of the trained first stage, or a checkpoint file of the model in first_stage_config. */
  vqgan?: string;
  /** Stage 2: decay of the linear layers' weights. Default 0.01. */
  weightDecay: number;
  /** Stage 2: crops a picture is encoded in, each with its mirror image if data.flip; 1 is its centre. Default 1. */
  views: number;
  /** Stage 2: pictures in a grid of samples. Default 16. */
  samples: number;
  /** Stage 2: samples are drawn from the so many likeliest codes. Default 100. */
  topK: number;
}

export interface RunConfig {
  model: ModelConfig;
  /** Defaults: random crops, mirrored; a twentieth held out; the model's resolution and channels; broken files skipped. */
  data: DataConfig &
    Required<Pick<DataConfig, 'channels' | 'crop' | 'flip' | 'heldOut' | 'onError'>> & {
      /** A resumed run whose pictures are no longer the same: refused (`stop`, default), or goes on with them. */
      changed?: 'stop' | 'accept';
    };
  training: TrainingConfig;
}

/** The device of a configuration whose `auto` has been decided, as the session does before anything is built. */
export function chosenDevice({ training: { device } }: RunConfig): Device {
  if (device === 'auto') throw new TypeError('training.device is still auto: choose a device first');
  return device;
}

const defaults = {
  shared: {
    warmup: 0.02,
    decayFrom: 0.4,
    finalLearningRate: 0.05,
    precision: 'float32',
    device: 'auto',
    threads: 'auto',
    deterministic: false,
    seed: 1,
    logEvery: '10s',
    imagesEvery: '1m',
    saveEvery: '5m',
    keep: 2,
  },
  vqgan: {
    batchSize: 4,
    learningRate: 1e-4,
    betas: [0.5, 0.9],
    step: 'one-pass',
    graph: false,
    channelsLast: false,
    discriminatorFrom: 0,
    restartCodes: true,
  },
  transformer: {
    batchSize: 8,
    learningRate: 3e-4,
    betas: [0.9, 0.95],
    weightDecay: 0.01,
    views: 1,
    samples: 16,
    topK: 100,
  },
} as const;

const sections = ['model', 'data', 'training'] as const;

/**
 * Checks a configuration and fills in every default. The model section is checked when the model is built.
 *
 * @throws TypeError naming the path of what is unknown (with the nearest known key), missing or of the wrong kind
 */
export function resolveConfig(stage: Stage, input: unknown): RunConfig {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw new TypeError('a configuration is an object with the sections model, data and training');
  }
  for (const key of Object.keys(input)) {
    if ((sections as readonly string[]).includes(key)) continue;
    throw new TypeError(
      `the configuration has an unknown section "${key}"; the nearest one is "${nearest(key, sections)}"`,
    );
  }
  const given = input as Partial<Record<(typeof sections)[number], unknown>>;
  const model = given.model as ModelConfig | undefined;
  if (model === undefined || model === null) {
    throw new TypeError('the configuration has no model section: { target, params } as in the reference');
  }
  const data = readFields(given.data, dataFields, 'data', neverNested) as Partial<DataConfig>;
  const training = readFields(given.training, trainingFields[stage], 'training', neverNested);
  if (training['steps'] === undefined && training['minutes'] === undefined) {
    throw new TypeError('a run needs an end: set training.steps, training.minutes, or both');
  }
  const batchSize = (training['batchSize'] ?? defaults[stage].batchSize) as number;
  const base = model.base_learning_rate;
  const learningRate = base === undefined ? {} : { learningRate: base * batchSize };
  return {
    model,
    data: {
      crop: 'random',
      flip: true,
      heldOut: 0.05,
      onError: 'skip',
      ...data,
      size: data.size ?? resolutionOf(model),
      channels: data.channels ?? channelsOf(model),
    } as RunConfig['data'],
    training: {
      ...defaults.shared,
      ...defaults[stage],
      ...learningRate,
      ...training,
    } as unknown as TrainingConfig,
  };
}

/** The side the model was laid out for. */
function resolutionOf(model: ModelConfig): number {
  const side = backboneOf(model)?.['resolution'];
  return typeof side === 'number' ? side : 64;
}

/** Grey images where the model takes one channel. */
export function channelsOf(model: ModelConfig): Channels {
  return backboneOf(model)?.['in_channels'] === 1 ? 1 : 3;
}

/** `ddconfig`, at any depth of the model's parameters. */
function backboneOf({ params }: ModelConfig): Record<string, unknown> | undefined {
  const own = params?.['ddconfig'] as Record<string, unknown> | undefined;
  const first = params?.['first_stage_config'] as ModelConfig | undefined;
  return own ?? (first ? backboneOf(first) : undefined);
}

const neverNested = (): never => {
  throw new TypeError('data and training hold plain values');
};

/** An interval in steps or seconds. */
export function parseInterval(value: Interval): { steps: number } | { seconds: number } {
  if (typeof value === 'number') return { steps: value };
  return { seconds: parseFloat(value) * (value.endsWith('m') ? 60 : 1) };
}
