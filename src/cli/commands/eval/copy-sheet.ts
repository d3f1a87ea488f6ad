/** The image of `eval --copies`: the samples it shows, and the held-out images next to them. */
import type { ImageSource } from '../../../data/image-source.js';
import type { Neighbours } from '../../../metrics/nearest-among.js';
import { saveNeighbourSheet, type NeighbourRows } from '../../../reports/neighbour-sheet.js';
import * as torch from '../../../torch/index.js';
import { writing } from '../../images.js';

/** Rows of the image. */
const ROWS = 12;

/** Compared images and their neighbours. */
export interface Compared {
  train: ImageSource;
  samples: ImageSource;
  heldOut: ImageSource;
  ofSamples: Neighbours;
  ofHeldOut: Neighbours;
}

/**
 * Writes the samples that are nearest to training images, the nearest first, and next to each the held-out image of the
 * same rank, which shows how near unseen images usually are.
 */
export async function saveCopies(
  path: string,
  values: Record<string, number>,
  compared: Compared,
): Promise<void> {
  const { train, samples, heldOut, ofSamples, ofHeldOut } = compared;
  const shown = byDistance(ofSamples).slice(0, ROWS);
  const ranks = shown.map((_, i) => Math.floor((i * heldOut.length) / samples.length));
  const usual = [...new Set(ranks)].map((rank) => byDistance(ofHeldOut)[rank]!);
  const left = await rowsOf('samples', samples, { which: shown, found: ofSamples, train });
  const right =
    heldOut.length > 0 ? await rowsOf('held out', heldOut, { which: usual, found: ofHeldOut, train }) : null;
  const { near = null } = values as { near?: number };
  const description = shown.map((i) => ({
    sample: samples.name(i),
    training: ofSamples.rows[i]!.map((row) => train.name(row)),
    distances: ofSamples.distances[i],
  }));
  try {
    const sheet = { title: titleOf(values), samples: left, heldOut: right, near };
    await writing(path, () => saveNeighbourSheet(path, sheet, { nearest: description }));
  } finally {
    torch.dispose([left.images, left.neighbours, right?.images ?? null, right?.neighbours ?? null]);
  }
}

function titleOf({ toTraining, heldOutToTraining, near, copied }: Record<string, number>): string {
  const own = `distance to training, median: samples ${toTraining!.toFixed(4)}`;
  if (near === undefined) return own;
  return `${own}, held out ${heldOutToTraining!.toFixed(4)} – ${(100 * copied!).toFixed(1)} % of samples nearer than ${near.toFixed(4)}`;
}

/** Returns the numbers of images, the one nearest to a training image first. */
function byDistance({ distances }: Neighbours): number[] {
  return distances.map((_, i) => i).sort((a, b) => distances[a]![0]! - distances[b]![0]!);
}

interface Chosen {
  which: readonly number[];
  found: Neighbours;
  train: ImageSource;
}

async function rowsOf(
  heading: string,
  source: ImageSource,
  { which, found, train }: Chosen,
): Promise<NeighbourRows> {
  const images = await source.read([...which]);
  const rows = which.map((i) => found.rows[i]!);
  const nearest = await train.read(rows.flat());
  const neighbours = nearest.reshape([which.length, rows[0]!.length, ...nearest.shape.slice(1)]);
  return { heading, images, numbers: which, neighbours, distances: which.map((i) => found.distances[i]!) };
}
