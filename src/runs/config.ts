/** Run configuration: the contents of config.yaml, `model` as in the reference, `data` and `training`. */
import { nearest } from '../config/nearest.js';
import { ConfigError, readTree, show } from '../config/read.js';
import { isTree, kept, type Settings } from '../config/schema.js';
import type { Channels } from '../data/image-source.js';
import type { ModelConfig } from '../models/registry/from-config.js';
import type { Device } from '../torch/index.js';
import { checkBest } from './choice.js';
import { checkDecay, lengthKeys } from './length.js';
import type { Interval } from './setting-kinds.js';
import { imagesPerStep, sectionsOf, type dataSchema, type Stage, type TrainingConfig } from './settings.js';

export type { Interval } from './setting-kinds.js';
export type { Stage, TrainingConfig } from './settings.js';

export interface RunConfig {
  model: ModelConfig;
  /** Defaults: random, mirrored crops; 5% held out; the model's resolution and channels; unreadable files skipped. */
  data: Settings<typeof dataSchema> & { size: number; channels: Channels };
  training: TrainingConfig;
}

/**
 * Returns the device of a configuration in which `auto` has been resolved, as the session does before building
 * anything.
 */
export function chosenDevice({ training: { device } }: RunConfig): Device {
  if (device === 'auto')
    throw new TypeError('training.device is auto: set it to a device, such as cpu or cuda:0, first');
  return device;
}

/**
 * Checks a configuration and fills in all defaults. The model section is checked when the model is built.
 *
 * @throws TypeError with the path of a key that is unknown (with the nearest known key), missing or of the wrong type
 *
 * @example
 * ```ts
 * const config = resolveConfig('vqgan', await readConfig('vqgan.yaml'));
 * console.log(config.training.batchSize);
 * ```
 */
export function resolveConfig(stage: Stage, input: unknown): RunConfig {
  const given = knownSections(stage, input);
  const model = given['model'] as ModelConfig | undefined;
  if (model === undefined || model === null) {
    throw new ConfigError(
      'model',
      'the configuration has no model section: add one, { target, params } as in the reference',
    );
  }
  const { data, training } = readSections(stage, given, false);
  if (lengthKeys.every((key) => training[key] === undefined)) {
    throw new ConfigError(
      'training',
      'a run needs an end: set training.steps, training.minutes, training.epochs, or several of them',
    );
  }
  const base = model.base_learning_rate;
  if (base !== undefined && !hasOwn(given['training'], 'learningRate')) {
    training.learningRate = base * imagesPerStep(training);
  }
  if (training.schedule === 'cosine' && !hasOwn(given['training'], 'decayFrom')) training.decayFrom = 0;
  checkDecay(training);
  checkBest(stage, training);
  const { size = resolutionOf(model), channels = channelsOf(model) } = data;
  return { model, data: { ...data, size, channels }, training };
}

/** Checks the changes of a resumed run, whose other settings are in its folder. */
export function checkChanges(stage: Stage, changes: unknown): void {
  readSections(stage, knownSections(stage, changes), true);
}

function readSections(stage: Stage, given: Record<string, unknown>, partial: boolean) {
  const { data, training } = sectionsOf(stage);
  return {
    data: readTree(data, given['data'], { path: 'data', partial }),
    training: readTree(training, given['training'], { path: 'training', partial }) as TrainingConfig,
  };
}

const hasOwn = (section: unknown, key: string): boolean =>
  isTree(section) && section[key] !== undefined && section[key] !== null;

function knownSections(stage: Stage, input: unknown): Record<string, unknown> {
  if (!isTree(input)) {
    throw new ConfigError(
      '',
      `a configuration must be an object with the sections model, data and training, got ${show(input)}`,
    );
  }
  const sections = sectionsOf(stage);
  const meant = (unknown: string, known: readonly string[]) => {
    const home = Object.entries(sections).find(([, schema]) => Object.hasOwn(schema, unknown));
    return home && !isTree(input[unknown]) ? `${home[0]}.${unknown}` : nearest(unknown, known);
  };
  return readTree(whole, input, { path: '', meant });
}

/** The sections, each of which is read by itself. */
const whole = { model: kept(), data: kept(), training: kept() };

/**
 * Returns the configuration of a model that was trained elsewhere. It has no images, so `data.path` is missing, and
 * nothing about training.
 *
 * @param map field that it is trained on or conditioned on, instead of images
 */
export function foreignConfig(model: ModelConfig, size: number | undefined, map: string | null): RunConfig {
  const data = {
    size: size ?? resolutionOf(model),
    channels: channelsOf(model),
    ...(map !== null && { maps: [map] }),
  };
  return { model, data, training: {} } as unknown as RunConfig;
}

/** True for the configuration of a model that was trained elsewhere. */
export const isForeign = ({ data }: RunConfig): boolean => (data.path as string | undefined) === undefined;

/** Returns the model's nominal resolution, the default of `data.size`; 64 if there is none. */
function resolutionOf(model: ModelConfig): number {
  const side = backboneOf(model)?.['resolution'];
  return typeof side === 'number' ? side : 64;
}

/** Returns the channels of the images: grey if the model takes one channel. */
export function channelsOf(model: ModelConfig): Channels {
  return backboneOf(model)?.['in_channels'] === 1 ? 1 : 3;
}

/** Returns `ddconfig`, at any depth of the model's parameters. */
function backboneOf({ params }: ModelConfig): Record<string, unknown> | undefined {
  const own = params?.['ddconfig'] as Record<string, unknown> | undefined;
  const first = params?.['first_stage_config'] as ModelConfig | undefined;
  return own ?? (first ? backboneOf(first) : undefined);
}

/** Parses an interval in steps or seconds. */
export function parseInterval(value: Interval): { steps: number } | { seconds: number } {
  if (typeof value === 'number') return { steps: value };
  return { seconds: parseFloat(value) * (value.endsWith('m') ? 60 : 1) };
}
