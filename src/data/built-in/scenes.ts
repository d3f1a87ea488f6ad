import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImageFilesOptions } from '../files/image-files.js';
import { inParallel } from '../files/in-parallel.js';
import { writeFolder } from '../files/new-folder.js';
import { layoutScene, spriteBox, type SceneLayout, type SceneRequest } from './scene-layout.js';
import type { PlacedObject } from '../fields/layout.js';
import { seasons, timesOfDay } from './scene-palette.js';
import { renderScene, type RenderedScene } from './scene-render.js';
import { openSpriteSheet, type SpriteSheet } from './scene-sprites.js';
import { sharpOf } from '../pictures/sharp.js';

/** Seeds of the splits, fixed so that no training run ever sees a held-out (validation or test) scene. */
export const sceneSplits = { train: 1, validation: 2, test: 3 } as const;

/** Classes of the objects in a scene's layout. */
export const sceneObjectClasses = ['tree', 'building', 'vehicle', 'animal'] as const;

/** Number of scene classes: a season and a time of day. */
export const sceneClassCount = seasons.length * timesOfDay.length;

export interface Scene extends RenderedScene {
  layout: SceneLayout;
  /** season × 4 + time of day, in 0..15. */
  classIndex: number;
  /** For example "autumn dusk". */
  className: string;
}

/**
 * Draws scene `index` of the endless series `seed`: the same request always returns the same layout,
 * segmentation and depth; pixels may differ slightly between versions of the SVG renderer.
 *
 * @example
 * ```ts
 * const scene = await makeScene({ seed: 1, index: 0, width: 64, height: 64 });
 * ```
 */
export async function makeScene(request: SceneRequest, sprites?: SpriteSheet): Promise<Scene> {
  const layout = layoutScene(request);
  const sheet = sprites ?? (await openSpriteSheet());
  const rendered = await renderScene(layout, request.width, request.height, sheet);
  const classIndex =
    seasons.indexOf(layout.season) * timesOfDay.length + timesOfDay.indexOf(layout.timeOfDay);
  return { ...rendered, layout, classIndex, className: `${layout.season} ${layout.timeOfDay}` };
}

/**
 * Returns the objects of a scene from far to near, with the part of their box that is in the image, exact to the pixel.
 * An object may be hidden by nearer ones.
 */
export function sceneObjects({
  layout,
  width,
  height,
}: Pick<Scene, 'layout' | 'width' | 'height'>): PlacedObject[] {
  return layout.objects.flatMap((object) => {
    const box = spriteBox(object, height);
    const [left, top] = [Math.max(0, box.left), Math.max(0, box.top)];
    const [right, bottom] = [Math.min(width, box.left + box.width), Math.min(height, box.top + box.height)];
    if (right <= left || bottom <= top) return [];
    const category = sceneObjectClasses.indexOf(object.kind);
    return [{ category, box: [left / width, top / height, (right - left) / width, (bottom - top) / height] }];
  });
}

export interface SceneFolderOptions extends Pick<ImageFilesOptions, 'onProgress' | 'signal'> {
  seed: number;
  count: number;
  width: number;
  height?: number;
}

/**
 * Writes `count` scenes as PNG files (`00000.png` …) and their labels (`scenes.json`) into a folder, which appears
 * under its name only when complete. Replaces an existing folder of scenes, but no other.
 * @throws ImageDataError for a folder with other content
 *
 * @example
 * ```ts
 * await writeScenes('scenes', { seed: 1, count: 1000, width: 64 });
 * ```
 */
export async function writeScenes(folder: string, options: SceneFolderOptions): Promise<void> {
  const { seed, count, width, height = width } = options;
  const sprites = await openSpriteSheet();
  const mayReplace = async () => existsSync(join(folder, 'scenes.json'));
  await writeFolder(folder, mayReplace, async (partial) => {
    const write = async (index: number) => {
      const scene = await makeScene({ seed, index, width, height }, sprites);
      const file = `${String(index).padStart(5, '0')}.png`;
      const image = await sharpOf({ width, height, pixels: scene.image });
      await image.png().toFile(join(partial, file));
      return { file, classIndex: scene.classIndex, className: scene.className };
    };
    const labels = await inParallel(count, write, 'drawing scenes', options);
    await writeFile(join(partial, 'scenes.json'), `${JSON.stringify({ seed, width, height, labels })}\n`);
  });
}
