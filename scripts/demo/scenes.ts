// The scenes that the synthesis demo learns from: small ones, and larger ones of which it sees crops and windows.
import {
  ImageSource,
  makeScene,
  openSpriteSheet,
  sceneLabels,
  sceneObjectClasses,
  sceneObjects,
  sceneSplits,
  seasons,
  timesOfDay,
  type Picture,
  type PictureStore,
  type Scene,
} from 'tessera-torch';
import { size } from './models.js';

/** Series of the training scenes, and of held-out ones. */
const series = { train: sceneSplits.train, heldOut: sceneSplits.validation };
/** Pixels of a wide scene. */
export const wide = { width: 1024, height: 256 };
/** Pixels of a scene from which panoramas are learnt: of the same height, so that objects have the same size. */
const piece = { width: 256, height: 256 };

/** Names of the classes: a season and a time of day. */
export const classNames = seasons.flatMap((season) => timesOfDay.map((time) => `${season} ${time}`));

export interface Split {
  train: ImageSource;
  heldOut: ImageSource;
}

export interface DemoScenes {
  /** Scenes of 48 × 48 pixels. */
  whole: Split;
  /** Scenes of 256 × 256 pixels; empty if none are asked for. */
  pieces: Split;
  /** Both: what VQGANs learn from. */
  all: Split;
  /** Wide scenes that no training sees. */
  panoramas: readonly Scene[];
}

export interface SceneCounts {
  whole: number;
  heldOut: number;
  pieces: number;
  panoramas: number;
}

/** Draws all scenes. */
export async function drawScenes(count: SceneCounts, signal: AbortSignal): Promise<DemoScenes> {
  const sprites = await openSpriteSheet();
  const square = { width: size, height: size };
  const draw = async (seed: number, many: number, pixels: typeof wide) => {
    const scenes: Scene[] = [];
    for (let index = 0; index < many; index++) {
      signal.throwIfAborted();
      scenes.push(await makeScene({ seed, index, ...pixels }, sprites));
    }
    return scenes;
  };
  const parts = [
    await draw(series.train, count.whole, square),
    await draw(series.heldOut, count.heldOut, square),
    await draw(series.train, count.pieces, piece),
    await draw(series.heldOut, Math.ceil(count.pieces / 12), piece),
    await draw(series.heldOut, count.panoramas, wide),
  ] as const;
  const store = new SceneStore(parts.flat());
  let first = 0;
  const [whole, heldOut, pieces, heldOutPieces] = parts.map((part) => part.map(() => first++));
  // A piece has many crops: a third of what a VQGAN learns from are such.
  const repeats = count.pieces > 0 ? Math.ceil(count.whole / 2 / count.pieces) : 0;
  const repeated = Array.from({ length: repeats }, () => pieces!).flat();
  const source = (items: readonly number[], side = size) => new ImageSource(store, side, items);
  return {
    whole: { train: source(whole!), heldOut: source(heldOut!) },
    pieces: { train: source(pieces!, piece.height), heldOut: source(heldOutPieces!, piece.height) },
    all: { train: source([...whole!, ...repeated]), heldOut: source(heldOut!) },
    panoramas: parts[4],
  };
}

const bytesOf = (shares: Float32Array) => Uint8Array.from(shares, (share) => Math.round(share * 255));

/** Scenes in memory, with all their fields. */
class SceneStore implements PictureStore {
  readonly maps = { segmentation: { labels: sceneLabels }, depth: {} };
  readonly classes = classNames;
  readonly layout: { classes: readonly string[]; most: number };
  readonly #scenes: readonly Scene[];
  readonly #pictures: readonly Picture[];

  constructor(scenes: readonly Scene[]) {
    this.#scenes = scenes;
    this.#pictures = scenes.map((scene) => ({
      width: scene.width,
      height: scene.height,
      pixels: scene.image,
      maps: { segmentation: scene.segmentation, depth: bytesOf(scene.inverseDepth) },
      objects: sceneObjects(scene),
    }));
    this.layout = { classes: sceneObjectClasses, most: 6 };
  }

  get length(): number {
    return this.#scenes.length;
  }

  name(index: number): string {
    return `scene ${index}`;
  }

  label(index: number): number {
    return this.#scenes[index]!.classIndex;
  }

  hash(index: number): string {
    return `scene ${index}`;
  }

  load(index: number): Picture {
    return this.#pictures[index]!;
  }

  async close(): Promise<void> {}
}
