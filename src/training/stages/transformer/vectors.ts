/** The vectors that a transformer is conditioned on, and the row of each image among them. */
import { extname } from 'node:path';
import type { ImageSource } from '../../../data/image-source.js';
import { readVectors, type VectorFile } from '../../../data/fields/vectors.js';
import { VECTORS } from '../../../models/conditions/vectors.js';
import type { ModelConfig } from '../../../models/registry/from-config.js';
import type { RunConfig } from '../../../runs/config.js';
import { RunError } from '../../../runs/error.js';
import * as torch from '../../../torch/index.js';
import type { Tensor } from '../../../torch/index.js';
import type { Images } from '../../images.js';

const VECTOR_STAGE = 'tessera.conditions.VectorStage';
type Params = Record<string, unknown>;

/** Vectors of all images. */
export interface ImageVectors {
  table: Tensor; // [M, N, D]
  /** Row of each image. */
  train: number[];
  heldOut: number[];
}

/** True if a model section has vectors as its condition. */
function hasVectors({ model }: RunConfig): boolean {
  const condition = model.params?.['cond_stage_config'] as ModelConfig | string | undefined;
  return typeof condition === 'object' && condition.target === VECTOR_STAGE;
}

/** Fills in the sizes of vectors as a condition, and whether they are dropped now and then. */
export async function adoptVectors(config: RunConfig, params: Params): Promise<void> {
  const { vectors: path, conditionDropout } = config.training;
  if (!hasVectors(config)) {
    if (path === undefined) return;
    throw new RunError(
      `training.vectors is ${path}, but the model's condition is not vectors: train it with -c vectors, or leave it out`,
    );
  }
  const { rows } = await readVectors(fileOf(config));
  const [, count, dim] = rows.shape as [number, number, number];
  rows.dispose();
  const condition = params['cond_stage_config'] as ModelConfig;
  const gpt = params['transformer_config'] as ModelConfig | undefined;
  const sizes = { dim, count, n_embd: gpt?.params?.['n_embd'] ?? 256, dropped: conditionDropout > 0 };
  params['cond_stage_config'] = { ...condition, params: { ...sizes, ...condition.params } };
  params['cond_stage_key'] ??= VECTORS;
}

/** @throws RunError if no file is named */
function fileOf({ training: { vectors } }: RunConfig): string {
  if (vectors !== undefined) return vectors;
  throw new RunError(
    'a transformer conditioned on vectors needs their file: name it in training.vectors (--vectors FILE)',
  );
}

/**
 * Reads the vectors of a run's images; null if its condition is another one. The caller owns the table.
 *
 * @throws RunError if an image has none
 */
export async function vectorsOf(config: RunConfig, images: Images): Promise<ImageVectors | null> {
  if (!hasVectors(config)) return null;
  const path = fileOf(config);
  const file = await readVectors(path);
  try {
    const rows = file.names ? byName(path, file.names) : inOrder(path, file, images, config);
    const { train, heldOut } = images;
    return { table: file.rows, train: rows(train), heldOut: rows(heldOut) };
  } catch (error) {
    torch.dispose(file.rows);
    throw error;
  }
}

type RowsOf = (source: ImageSource) => number[];

const indices = ({ length }: ImageSource): number[] => Array.from({ length }, (_, i) => i);

/** Rows by the name of an image, with or without its folder and extension, or else by that of its class. */
function byName(path: string, names: readonly string[]): RowsOf {
  const rows = new Map(names.map((name, row) => [name, row]));
  const rowOf = (source: ImageSource, i: number): number | undefined => {
    const whole = source.name(i);
    const parts = whole.replaceAll('\\', '/').split('/');
    const label = source.label(i);
    // Of a token set the images' own folder is not known, so that any of the first folders may be left out.
    const files = [whole, ...parts.map((_, from) => parts.slice(from).join('/'))];
    const bare = files.map((name) => name.slice(0, name.length - extname(name).length));
    const classes = label === undefined ? [] : [source.classes[label]!];
    const name = [...files, ...bare, ...classes].find((one) => rows.has(one));
    return name === undefined ? undefined : rows.get(name);
  };
  return (source) =>
    indices(source).map((i) => {
      const row = rowOf(source, i);
      if (row !== undefined) return row;
      throw new RunError(
        `${path} has no vectors for ${source.name(i)}: name them by the image's file or by its class; it has ${names.length} ` +
          `names, such as ${names.slice(0, 3).join(', ')}`,
      );
    });
}

/** Rows in the order of the images' files, or of the classes. */
function inOrder(
  path: string,
  { rows }: VectorFile,
  { train, heldOut }: Images,
  { data }: RunConfig,
): RowsOf {
  const [count] = rows.shape as [number];
  if (data.heldOutPath === undefined && count === train.stored && count === heldOut.stored) {
    return (source) => indices(source).map((i) => source.place(i));
  }
  if (count === train.classes.length) return (source) => indices(source).map((i) => source.label(i)!);
  throw new RunError(
    `${path} has ${count} rows without names, but ${data.path} has ${train.stored} images and ${train.classes.length} classes: ` +
      'give a row for each image in the order of their files, or for each class, or name the rows in a safetensors file',
  );
}
