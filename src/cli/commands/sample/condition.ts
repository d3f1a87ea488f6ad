/** The condition of a sampled image: the class of --class, or the map, vectors or layout in a file. */
import { readFile } from 'node:fs/promises';
import { bytesToImages } from '../../../data/pictures/image-tensor.js';
import { COORDINATES, coordinateMap } from '../../../data/fields/coordinates.js';
import { EDGES } from '../../../data/fields/edges.js';
import { computedFields, LABEL, mapToTensor } from '../../../data/fields/example.js';
import { readPicture } from '../../../data/pictures/decode.js';
import { LAYOUT } from '../../../data/fields/layout.js';
import {
  enlarged,
  LOW_RESOLUTION,
  usualLowResolution,
  type LowResolution,
} from '../../../data/fields/low-resolution.js';
import { rgbToGrey } from '../../../data/pictures/picture.js';
import { readBlackAndWhite, readMapFile } from '../../../data/pictures/map-file.js';
import { readVectors } from '../../../data/fields/vectors.js';
import { FirstStage } from '../../../models/autoencoder/vqgan.js';
import type { Condition, ConditionInput } from '../../../models/conditions/condition.js';
import { Labelator } from '../../../models/conditions/class.js';
import { Several } from '../../../models/conditions/several.js';
import { VECTORS, type VectorStage } from '../../../models/conditions/vectors.js';
import type { Labelled } from '../../../reports/labelled-grid.js';
import type { TwoStage } from '../../../models/two-stage.js';
import * as torch from '../../../torch/index.js';
import type { Tensor } from '../../../torch/index.js';
import { UsageError } from '../../usage-error.js';
import type { SampleFlags } from './command.js';

/** The chosen condition. */
export interface ChosenCondition {
  /** Rows for the condition to encode: one, or several for the images in turn; a list if there are several conditions. */
  row: ConditionInput;
  /** Entries of the recipe that name it. */
  recipe: Record<string, string | number>;
  /** Ending of "16 images …" in the last line. */
  described: string;
  /** Class to write below its images; absent if it is not a class. */
  label?: Labelled;
}

/** A model with a condition, or one of its several conditions. */
type Conditioned = Pick<TwoStage, 'condition' | 'condStageModel'>;

type ConditionFlags = Pick<SampleFlags, 'class' | 'allClasses' | 'condition' | 'layout'>;

/** Images and model for which a condition is read. */
interface ConditionPlace {
  /** Height and width of the images in pixels. */
  size: readonly [height: number, width: number];
  /** Names of the classes. */
  names: readonly string[];
  run: string;
  /** Scaling by which the training images were made smaller; default: the usual one. */
  low?: LowResolution;
}

/**
 * Reads the conditions that the flags name: several with a list of classes, or all of them.
 *
 * @throws UsageError if the model's condition is another one, or none is named
 */
export async function chooseConditions(
  model: TwoStage,
  flags: ConditionFlags,
  place: ConditionPlace,
): Promise<ChosenCondition[]> {
  const { condition } = model;
  if (flags.allClasses && !(condition instanceof Labelator)) {
    throw new UsageError(`--all-classes: ${place.run} was trained without classes`);
  }
  const chosen: ChosenCondition[] = [];
  for (const name of classesAmong(flags, condition, place.names)) {
    chosen.push(
      await chooseCondition(model, { ...flags, ...(name !== undefined && { class: name }) }, place),
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
  model: Conditioned,
  flags: ConditionFlags,
  place: ConditionPlace,
): Promise<ChosenCondition> {
  const { condStageModel: stage } = model;
  return stage instanceof Several ? chooseSeveral(stage, flags, place) : chooseOne(model, flags, place);
}

/** Gives each of several conditions its flag: the class, or the next of the files, which commas separate. */
async function chooseSeveral(
  { parts }: Several,
  flags: ConditionFlags,
  place: ConditionPlace,
): Promise<ChosenCondition> {
  const isOf = (part: Conditioned, ...fields: (string | null)[]) => fields.includes(part.condition.field);
  const takesFile = (part: Conditioned) => !isOf(part, null, LABEL, COORDINATES);
  const count = parts.filter(takesFile).length;
  const { condition: named } = flags;
  const files = named === undefined ? [] : count > 1 ? named.split(',') : [named];
  if (named !== undefined && files.length !== count) {
    throw new UsageError(
      `--condition ${named}: ${place.run} takes ${count} files, in the order of its conditions: ` +
        (count > 1 ? 'separate them by commas' : 'leave it out'),
    );
  }
  if (flags.class !== undefined && !parts.some((part) => isOf(part, LABEL))) {
    throw new UsageError(`--class ${flags.class}: ${place.run} was trained without classes`);
  }
  const chosen: ChosenCondition[] = [];
  for (const part of parts) {
    const file = takesFile(part) ? files.shift() : undefined;
    const ofClass = isOf(part, LABEL) && flags.class !== undefined ? { class: flags.class } : {};
    chosen.push(await chooseOne(part, { ...ofClass, ...(file !== undefined && { condition: file }) }, place));
  }
  const recipes = chosen.map(({ recipe }) => Object.entries(recipe)).flat();
  return {
    row: chosen.map(({ row }) => row as Tensor),
    recipe: { ...Object.fromEntries(recipes), ...(named !== undefined && { condition: named }) },
    described: chosen.map(({ described }) => described).join(''),
  };
}

async function chooseOne(
  model: Conditioned,
  flags: ConditionFlags,
  place: ConditionPlace,
): Promise<ChosenCondition> {
  const { size, names, run } = place;
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
        : field === VECTORS
          ? `${run} was trained on vectors: give some with --condition FILE.npy or FILE.safetensors`
          : `${run} was trained on maps of the field "${field}": give one with --condition FILE`,
    );
  }
  const read = readers[field] ?? (computedFields[field]?.ofCrop ? computedIn : mapOf);
  const row = await read(model, file, place);
  return { row, recipe: { condition: file }, described: ` for ${file}` };
}

function classOf(
  { condition }: Conditioned,
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

/** Readers of a condition's file by its field; `computedIn` and `mapOf` read others. */
const readers: Readonly<
  Record<string, (model: Conditioned, file: string, place: ConditionPlace) => Promise<Tensor>>
> = {
  [LAYOUT]: layoutOf,
  [EDGES]: edgesIn,
  [LOW_RESOLUTION]: smallImage,
  [VECTORS]: vectorsIn,
};

/** Reads vectors: a row for one image, or rows for the images in turn. */
async function vectorsIn({ condStageModel: stage }: Conditioned, file: string): Promise<Tensor> {
  const { rows } = await readVectors(file);
  const [count, each, dim] = rows.shape as [number, number, number];
  const wanted = stage as VectorStage;
  // An array [N, D] is the one row of a model that is given N vectors.
  const whole = each === 1 && count === wanted.count ? rows.transpose(0, 1) : rows;
  if (whole.shape[1] === wanted.count && dim === wanted.dim) return whole;
  throw new UsageError(
    `--condition ${file}: it has ${count} × ${each} vectors of ${dim} numbers, but the model was trained on ` +
      `${wanted.count} of ${wanted.dim} for an image`,
  );
}

/** Reads edges: an image in black and white has them in white, of any other they are computed. */
async function edgesIn(model: Conditioned, file: string, place: ConditionPlace): Promise<Tensor> {
  const drawn = await readBlackAndWhite(file, place.size);
  return drawn ? mapToTensor(drawn, place.size, {}, 'cpu') : computedIn(model, file, place);
}

/** Computes the condition's field from an image. */
async function computedIn({ condition }: Conditioned, file: string, place: ConditionPlace): Promise<Tensor> {
  const [height, width] = place.size;
  const bytes = computedFields[condition.field!]!.ofCrop!(await pixelsOf(file, place.size), height, width);
  return mapToTensor(bytes, place.size, {}, 'cpu');
}

/** Reads an image at the low resolution that the model was trained on, and enlarges it. */
async function smallImage(
  model: Conditioned,
  file: string,
  { size, low = usualLowResolution }: ConditionPlace,
): Promise<Tensor> {
  const small = size.map((side) => Math.round(side / low.factor)) as [number, number];
  const channels = channelsOf(model);
  const pixels = await pixelsOf(file, small);
  const images = bytesToImages(channels === 1 ? rgbToGrey(pixels) : pixels, small, channels);
  return enlarged(images, size, low);
}

/** Reads the middle of an image in colours as bytes [height, width, 3]. */
const pixelsOf = async (file: string, size: readonly [number, number]): Promise<Uint8Array> =>
  (await readPicture(file, size)).pixels;

/** Returns the channels of the maps that the condition's encoder takes. */
function channelsOf({ condition, condStageModel: stage }: Conditioned): number {
  return condition.channels ?? stage.inChannels ?? 3;
}

/** Reads a layout from a JSON file: [1, 1 + objects, 5]. */
async function layoutOf({ condition }: Conditioned, file: string): Promise<Tensor> {
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
async function mapOf(model: Conditioned, file: string, { size }: ConditionPlace): Promise<Tensor> {
  const stage = model.condStageModel;
  const channels = channelsOf(model);
  if (channels === 3 && !(stage instanceof FirstStage && stage.colorize)) {
    return bytesToImages(await pixelsOf(file, size), size, channels);
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
