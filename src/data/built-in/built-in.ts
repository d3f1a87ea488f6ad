import { MemoryStore, type MemoryItem } from './memory-store.js';
import type { ImageFilesOptions } from '../files/image-files.js';
import { inParallel } from '../files/in-parallel.js';
import { openSpriteSheet } from './scene-sprites.js';
import { seasons, timesOfDay } from './scene-palette.js';
import type { MapKinds } from '../fields/example.js';
import { sceneLabels } from './scene-render.js';
import { makeScene, sceneObjectClasses, sceneObjects, sceneSplits } from './scenes.js';
import { contentHash, type Split } from '../split.js';

export const builtIns = ['scenes', 'emoji'] as const;
export type BuiltIn = (typeof builtIns)[number];

export interface BuiltInOptions extends Pick<ImageFilesOptions, 'onProgress' | 'signal'> {
  size: number;
  /** Total number of images, held-out ones included. */
  count: number;
  /** Share (below 1) or number of held-out images. */
  heldOut: number;
  seed: number;
  /** Keep the maps of scenes, segmentation and depth, and their layouts. Default false: they need two thirds more memory. */
  maps?: boolean | undefined;
}

export interface MadeImages extends Split {
  store: MemoryStore;
}

/** Returns how many of `count` images are held out. */
export function heldOutCount(count: number, heldOut: number): number {
  const held = heldOut < 1 ? Math.round(count * heldOut) : heldOut;
  const result = heldOut > 0 ? Math.max(1, held) : 0;
  if (!(heldOut >= 0) || !Number.isSafeInteger(result) || result >= count) {
    throw new RangeError(
      `cannot hold out ${heldOut} of ${count} images: at least one must be left to train on`,
    );
  }
  return result;
}

/** Maps of a scene. Depth is inverse, as depth estimation networks output it: 0 for the sky, 255 nearest. */
const sceneMaps: MapKinds = { segmentation: { labels: sceneLabels }, depth: {} };

/** Draws landscapes: training images from the series `seed`, held-out images from a series of their own. */
export async function makeScenes(options: BuiltInOptions): Promise<MadeImages> {
  const { size, count, seed, maps = false } = options;
  if (seed === sceneSplits.validation || seed === sceneSplits.test) {
    throw new RangeError(
      `seed ${seed} of the scenes is reserved for held-out images; choose another data.seed`,
    );
  }
  const held = heldOutCount(count, options.heldOut);
  const sprites = await openSpriteSheet();
  const draw = async (i: number): Promise<MemoryItem> => {
    const request =
      i < count - held
        ? { seed, index: i, width: size, height: size }
        : { seed: sceneSplits.validation, index: i - (count - held), width: size, height: size };
    const scene = await makeScene(request, sprites);
    const name = `scene ${request.index} of series ${request.seed}, ${scene.className}`;
    return {
      name,
      hash: contentHash(name),
      width: size,
      height: size,
      pixels: scene.image,
      label: scene.classIndex,
      ...(maps && {
        maps: { segmentation: scene.segmentation, depth: bytesOf(scene.inverseDepth) },
        objects: sceneObjects(scene),
      }),
    };
  };
  const items = await inParallel(count, draw, 'drawing scenes', options);
  const classes = seasons.flatMap((season) => timesOfDay.map((time) => `${season} ${time}`));
  const store = maps
    ? new MemoryStore(items, classes, sceneMaps, sceneObjectClasses)
    : new MemoryStore(items, classes);
  return { store, ...firstAndRest(count, held) };
}

function bytesOf(shares: Float32Array): Uint8Array {
  return Uint8Array.from(shares, (share) => Math.round(share * 255));
}

/** Splits the positions 0 … count-1: the last `held` are held out. */
export function firstAndRest(count: number, held: number): Split {
  const all = Array.from({ length: count }, (_, i) => i);
  return { train: all.slice(0, count - held), heldOut: all.slice(count - held) };
}
