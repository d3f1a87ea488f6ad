import { isChannelsLast, isContiguous } from '../core/layout.js';
import type { Tensor } from '../core/tensor.js';
import type { LaunchSize } from './kernel.js';

/** The plan by which the kernels of group-norm-silu.cu iterate over a tensor. */
export interface Plan {
  /** [N, C, P] or [N, P, C]. */
  channelsLast: boolean;
  images: number;
  channels: number;
  /** P: all positions of an image. */
  pixels: number;
  groups: number;
  /** For `partialMoments`: the blocks, and the number of steps of each; `grid[1]` pieces. */
  moments: PiecedSize;
  /** For the kernels that iterate over planes or pixels. */
  planes: PiecedSize;
}

interface PiecedSize extends LaunchSize {
  grid: readonly [number, number];
  piece: number;
}

/** Elements that a thread reads at once. */
const VECTOR = 4;
/** The same number as in the source. */
const MOST_THREADS = 512;
/** Enough blocks to keep a large device busy. A constant, so that sums are the same on all devices. */
const BLOCKS = 1024;
const MOST_PIECES = 256;

/**
 * Returns the plan for a tensor [N, C, …] in memory order or in channels-last order; null if the kernels do not support
 * it: sizes that are not a multiple of four, other orders, 2^31 elements or more.
 */
export function planFor(x: Tensor, groups: number): Plan | null {
  const [images = 0, channels = 0, ...space] = x.shape;
  const pixels = space.reduce((product, size) => product * size, 1);
  const count = images * channels * pixels;
  if (count === 0 || count >= 2 ** 31 || channels % groups !== 0) return null;
  const aligned = x.storage.offset % VECTOR === 0;
  const common = { images, channels, pixels, groups };
  if (aligned && isContiguous(x) && pixels % VECTOR === 0) return { ...common, ...overPlanes(common) };
  const columns = channels / VECTOR;
  const fits = (channels / groups) % VECTOR === 0 && columns <= MOST_THREADS;
  return aligned && fits && isChannelsLast(x) ? { ...common, ...overPixels(common) } : null;
}

type Sizes = Pick<Plan, 'images' | 'channels' | 'pixels' | 'groups'>;

type Launches = Pick<Plan, 'channelsLast' | 'moments' | 'planes'>;

function overPlanes({ images, channels, pixels, groups }: Sizes): Launches {
  const plane = pixels / VECTOR;
  const group = (channels / groups) * plane;
  return {
    channelsLast: false,
    moments: pieces(images * groups, group, powerOfTwo(group)),
    planes: pieces(images * channels, plane, powerOfTwo(plane)),
  };
}

function overPixels({ images, channels, pixels }: Sizes): Launches {
  const columns = channels / VECTOR;
  const rows = Math.max(1, Math.floor(256 / columns));
  const size = pieces(images, pixels, rows);
  const whole = { ...size, block: [rows * columns] as const };
  return { channelsLast: true, moments: whole, planes: whole };
}

/**
 * Divides `steps`, of which a block does `width` at once, into pieces, so that `blocks` times the pieces keep the
 * device busy.
 */
function pieces(blocks: number, steps: number, width: number): PiecedSize {
  const wanted = Math.min(Math.ceil(BLOCKS / blocks), Math.ceil(steps / (width * 4)), MOST_PIECES);
  const piece = Math.ceil(steps / Math.max(1, wanted));
  return { grid: [blocks, Math.ceil(steps / piece)], block: [width], piece };
}

/** Returns the number of threads for so many steps; a power of two, because sums are reduced by halving. */
function powerOfTwo(steps: number): number {
  let threads = 32;
  while (threads < 256 && threads < steps) threads *= 2;
  return threads;
}
