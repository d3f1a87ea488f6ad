/** Files with the tokens of images, in each format. */
import { join } from 'node:path';
import { writeAtomically } from '../../../files/atomic-file.js';
import type { ImageRecord } from '../../../tokenizer/read-tokens.js';
import { toSequence, type Markers } from '../../../tokenizer/sequence.js';
import { tokenText, type TemplateName } from '../../../tokenizer/templates.js';
import { saveNpy, saveSafetensors } from '../../../torch/io/index.js';
import * as torch from '../../../torch/index.js';
import type { TokenFormat } from './command.js';

/** An image and its ids. */
export interface EncodedFile {
  file: string;
  grid: [number, number];
  /** Height and width in pixels; smaller than the grid's if the image was padded. */
  size: [number, number];
  /** [h·w], without offset and markers. */
  ids: Int32Array;
  /** Number of the view, from 0, and the record of its image; only in a set for training. */
  viewed?: { view: number; record: ImageRecord };
}

export interface ShardOptions {
  to: TokenFormat;
  offset: number;
  markers?: Markers;
  /** Model whose text is added to lines of JSON. */
  template?: TemplateName;
  /** Pixels per id. */
  stride: number;
}

/** Writes a shard of the given name, without extension; returns the names of its files: none without images. */
export async function writeShard(
  folder: string,
  name: string,
  images: readonly EncodedFile[],
  options: ShardOptions,
): Promise<string[]> {
  if (images.length === 0) return [];
  if (options.to === 'jsonl') {
    const { template } = options;
    const lines = images.map((image) =>
      JSON.stringify({
        ...describe(image, options),
        ids: [...flat(image, options)],
        ...(template && { text: tokenText(image.ids, image.grid, template) }),
      }),
    );
    await writeAtomically(join(folder, `${name}.jsonl`), `${lines.join('\n')}\n`);
    return [`${name}.jsonl`];
  }
  const groups = byGrid(images);
  const suffix = (grid: string) => (groups.size > 1 ? `.${grid}` : '');
  if (options.to === 'safetensors') {
    const tensors = new Map<string, torch.Tensor>();
    const metadata: Record<string, string> = {};
    for (const [grid, group] of groups) {
      const { grid: _, ...lists } = listOf(group, options);
      tensors.set(`ids${suffix(grid)}`, stack(group, options));
      for (const [list, values] of Object.entries(lists)) {
        metadata[`${list}${suffix(grid)}`] = JSON.stringify(values);
      }
    }
    await saveSafetensors(join(folder, `${name}.safetensors`), tensors, { metadata });
    torch.dispose(tensors);
    return [`${name}.safetensors`];
  }
  const files: string[] = [];
  for (const [grid, group] of groups) {
    const stem = `${name}${suffix(grid)}`;
    // The list first: an array without it would lack its file names.
    await writeAtomically(join(folder, `${stem}.json`), `${JSON.stringify(listOf(group, options))}\n`);
    const tensor = stack(group, options);
    await saveNpy(join(folder, `${stem}.npy`), tensor);
    tensor.dispose();
    files.push(`${stem}.json`, `${stem}.npy`);
  }
  return files;
}

/** Writes the array of one image, [h, w], or [L] with markers. */
export async function writeOne(path: string, image: EncodedFile, options: ShardOptions): Promise<void> {
  const tensor = stack([image], options);
  const one = tensor.squeeze(0);
  await saveNpy(path, one);
  torch.dispose([one, tensor]);
}

/** Groups images by grid, such as `16x24`, in the order of the first of each. */
function byGrid(images: readonly EncodedFile[]): Map<string, EncodedFile[]> {
  const groups = new Map<string, EncodedFile[]>();
  for (const image of images) {
    const grid = image.grid.join('x');
    const group = groups.get(grid);
    if (group) group.push(image);
    else groups.set(grid, [image]);
  }
  return groups;
}

const flat = ({ ids, grid }: EncodedFile, options: ShardOptions) => toSequence(ids, grid, options);

/** Returns int32 [N, h, w], or [N, L] with markers. */
function stack(images: readonly EncodedFile[], options: ShardOptions): torch.Tensor {
  const sequences = images.map((image) => flat(image, options));
  const shape = options.markers ? [sequences[0]!.length] : images[0]!.grid;
  const all = new Int32Array(sequences.length * sequences[0]!.length);
  for (const [i, sequence] of sequences.entries()) all.set(sequence, i * sequence.length);
  return torch.fromTypedArray(all, [images.length, ...shape], { dtype: 'int32' });
}

/** Returns the name and the grid of an image, its size if it was padded, and the record of a view. */
function describe({ file, grid, size, viewed }: EncodedFile, { stride }: ShardOptions) {
  const padded = size[0] !== grid[0] * stride || size[1] !== grid[1] * stride;
  return { file, grid, ...(padded && { size }), ...(viewed && { view: viewed.view, ...viewed.record }) };
}

/**
 * Returns the list that belongs to the array of a group, the JSON file next to it: its grid, and the file names in the
 * array's order. It has the sizes in pixels if any image was padded and, in a set for training, the number of rows of
 * each image, which follow each other, with what is recorded of the images.
 */
function listOf(images: readonly EncodedFile[], options: ShardOptions) {
  const described = images.map((image) => describe(image, options));
  const padded = described.some(({ size }) => size !== undefined);
  const firsts = images.filter(({ viewed }) => (viewed?.view ?? 0) === 0);
  return {
    grid: images[0]!.grid,
    files: firsts.map(({ file }) => file),
    ...(padded && { sizes: images.map(({ size }) => size) }),
    ...(images[0]!.viewed && {
      views: images.length / firsts.length,
      images: firsts.map(({ viewed }) => viewed!.record),
    }),
  };
}
