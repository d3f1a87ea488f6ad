/** What an image is sampled for: the class of --class, or the map or layout in the file of --condition or --layout. */
import { readFile } from 'node:fs/promises';
import { bytesToImages } from '../../../data/image-tensor.js';
import { COORDINATES, coordinateMap } from '../../../data/coordinates.js';
import { LABEL, mapToTensor } from '../../../data/example.js';
import { decodePicture, readHeader } from '../../../data/decode.js';
import { LAYOUT } from '../../../data/layout.js';
import { readMapFile } from '../../../data/map-file.js';
import { readWhole } from '../../../data/read-whole.js';
import type { Condition } from '../../../models/conditions/condition.js';
import { Labelator } from '../../../models/conditions/class.js';
import { FirstStage } from '../../../models/autoencoder/vqgan.js';
import type { Labelled } from '../../../reports/labelled-grid.js';
import type { Net2NetTransformer } from '../../../models/two-stage.js';
import * as torch from '../../../torch/index.js';
import type { Tensor } from '../../../torch/index.js';
import { UsageError } from '../../usage-error.js';

/** The chosen condition. */
export interface ChosenCondition {
  /** One row of what the condition encodes. */
  row: Tensor;
  /** Entries of the recipe that name it. */
  recipe: Record<string, string | number>;
  /** Ending of "16 images …" in the last line. */
  described: string;
  /** Class to write below its images; absent if it is not a class. */
  label?: Labelled;
}

interface ConditionFlags {
  class?: string;
  allClasses?: boolean;
  condition?: string;
  layout?: string;
}

interface ConditionContext {
  /** Height and width of the images in pixels. */
  size: readonly [height: number, width: number];
  /** Names of the classes. */
  names: readonly string[];
  run: string;
}

/**
 * Reads the conditions that the flags name: several with a list of classes, or all of them.
 *
 * @throws UsageError if the model's condition is another one, or none is named
 */
export async function chooseConditions(
  model: Net2NetTransformer,
  flags: ConditionFlags,
  context: ConditionContext,
): Promise<ChosenCondition[]> {
  const { condition } = model;
  if (flags.allClasses && !(condition instanceof Labelator)) {
    throw new UsageError(`--all-classes: ${context.run} was trained without classes`);
  }
  const chosen: ChosenCondition[] = [];
  for (const name of classesAmong(flags, condition, context.names)) {
    chosen.push(
      await chooseCondition(model, { ...flags, ...(name !== undefined && { class: name }) }, context),
    );
  }
  return chosen;
}

/** Returns the classes that the flags name; undefined stands for the one condition that is not a class. */
function classesAmong(
  { class: wanted, allClasses }: ConditionFlags,
  condition: Condition,
  names: readonly string[],
): (string | undefined)[] {
  if (allClasses && condition instanceof Labelator) {
    return Array.from({ length: names.length || condition.nClasses }, (_, i) => names[i] ?? String(i));
  }
  if (wanted === undefined || names.includes(wanted)) return [wanted];
  return [...new Set(wanted.split(',').map((name) => name.trim()))];
}

/**
 * Reads the condition that the flags name.
 *
 * @throws UsageError if the model's condition is another one, or none is named
 */
export async function chooseCondition(
  model: Net2NetTransformer,
  flags: ConditionFlags,
  {
    size,
    names,
    run,
  }: { size: readonly [height: number, width: number]; names: readonly string[]; run: string },
): Promise<ChosenCondition> {
  const { field } = model.condition;
  if (flags.class !== undefined && field !== LABEL) {
    throw new UsageError(`--class ${flags.class}: ${run} was trained without classes`);
  }
  if (flags.layout !== undefined && field !== LAYOUT) {
    throw new UsageError(`--layout ${flags.layout}: ${run} was trained without layouts`);
  }
  const file = flags.condition ?? flags.layout;
  if (file !== undefined && (field === null || field === LABEL || field === COORDINATES)) {
    throw new UsageError(
      `--condition ${file}: ${run} was trained without maps` + (field === LABEL ? '; use --class' : ''),
    );
  }
  if (field === null) return { row: torch.zeros([1, 1], { dtype: 'int64' }), recipe: {}, described: '' };
  if (field === COORDINATES) return { row: coordinateMap(...size), recipe: {}, described: '' };
  if (field === LABEL) return classOf(model, flags.class, names, run);
  if (file === undefined) {
    throw new UsageError(
      field === LAYOUT
        ? `${run} was trained on layouts: give one with --layout FILE.json, a list of objects, each [class, left, upper edge, width, height]`
        : `${run} was trained on maps of the field "${field}": give one with --condition FILE`,
    );
  }
  const row = await (field === LAYOUT ? layoutOf : mapOf)(model, file, size);
  return { row, recipe: { condition: file }, described: ` for ${file}` };
}

function classOf(
  { condition }: Net2NetTransformer,
  wanted: string | undefined,
  names: readonly string[],
  run: string,
): ChosenCondition {
  if (wanted === undefined) {
    throw new UsageError(`${run} was trained on ${condition.choices(names)}: name one with --class`);
  }
  try {
    const row = condition.parse(wanted, names);
    const number = row.item();
    const name = names[number] ?? wanted;
    return {
      row,
      recipe: { class: name, classNumber: number },
      described: ` of class ${name}`,
      label: { class: number, name },
    };
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(`--class ${wanted}: ${error.message}`) : error;
  }
}

/** Reads a layout from a JSON file: [1, 1 + objects, 5]. */
async function layoutOf({ condition }: Net2NetTransformer, file: string): Promise<Tensor> {
  let layout: Tensor;
  try {
    layout = condition.parse(await readFile(file, 'utf8'), []);
  } catch (error) {
    throw new UsageError(`--layout ${file}: ${(error as Error).message}`);
  }
  if (layout.shape[1]! > 1) return layout;
  throw new UsageError(
    `--layout ${file}: it has no objects; list at least one, [class, left, upper edge, width, height]`,
  );
}

/** Reads the input of the condition's encoder from a file: [1, C, height, width]. */
async function mapOf(
  model: Net2NetTransformer,
  file: string,
  size: readonly [height: number, width: number],
): Promise<Tensor> {
  const stage = model.condStageModel;
  const channels = stage instanceof FirstStage ? stage.config.ddconfig.inChannels : 3;
  if (channels === 3 && !(stage instanceof FirstStage && stage.colorize)) {
    const bytes = await readWhole(file);
    const { samples = 'usual' } = await readHeader(file, bytes);
    const [height, width] = size;
    const { pixels } = await decodePicture(file, width, height, bytes, samples);
    return bytesToImages(pixels, size, channels);
  }
  const map = await readMapFile(file, size);
  if (channels === 1) return mapToTensor(map, size, {}, 'cpu');
  const outside = map.find((label) => label >= channels);
  if (outside !== undefined) {
    throw new UsageError(
      `--condition ${file}: it has the label ${outside}, but the model was trained on labels 0 to ${channels - 1}`,
    );
  }
  return mapToTensor(map, size, { labels: Array.from({ length: channels }, String) }, 'cpu');
}
