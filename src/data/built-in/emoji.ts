import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { firstAndRest, heldOutCount, type BuiltInOptions, type MadeImages } from './built-in.js';
import type { ImageFilesOptions } from '../files/image-files.js';
import { inParallel } from '../files/in-parallel.js';
import { MemoryStore, type MemoryItem } from './memory-store.js';
import { writeFolder } from '../files/new-folder.js';
import { readNoto, type NotoIcons } from './noto-icons.js';
import { SeededRandom } from '../seeded-random.js';
import { loadSharp, sharpOf } from '../pictures/sharp.js';
import { contentHash, splitByContent } from '../split.js';

/** Classes of the emoji images, and their categories of Noto icons. */
const categories = {
  smileys: 'Smileys & Emotion',
  animals: 'Animals & Nature',
  food: 'Food & Drink',
  travel: 'Travel & Places',
  activities: 'Activities',
  objects: 'Objects',
} as const;

/** Share of the concepts that are held out, whatever the number of images. */
const heldOutConcepts = 0.1;

/** Emoji classes in the order of their labels. */
export const emojiClasses: readonly string[] = Object.keys(categories);

interface Icon {
  name: string;
  /** Concept that it shows; icons of one concept are held out together. */
  concept: string;
  body: string;
  label: number;
}

/**
 * Draws emoji on pastel backgrounds, each slightly rotated, scaled and moved. The held-out concepts depend only on
 * their names, so that no image of a held-out concept is ever trained on, whatever the seed.
 * @throws if the package `@iconify-json/noto` is not installed
 */
export async function makeEmoji(options: BuiltInOptions): Promise<MadeImages> {
  const { size, count, seed } = options;
  const held = heldOutCount(count, options.heldOut);
  const icons = await openIcons();
  const hashes = icons.map(({ concept }) => contentHash(concept));
  const sides = splitByContent(hashes, held === 0 ? 0 : heldOutConcepts);
  const chosen = [...take(sides.train, count - held, seed), ...take(sides.heldOut, held, seed)];
  const draw = async (i: number): Promise<MemoryItem> => {
    const icon = icons[chosen[i] as number] as Icon;
    const pixels = await drawEmoji(icon, size, new SeededRandom(seed, i + 1));
    const name = `emoji ${i}, ${icon.name}`;
    const hash = contentHash(`${seed} ${name}`);
    return { name, hash, width: size, height: size, pixels, label: icon.label };
  };
  const items = await inParallel(count, draw, 'drawing emoji', options);
  return { store: new MemoryStore(items, emojiClasses), ...firstAndRest(count, held) };
}

export interface EmojiFolderOptions extends Pick<ImageFilesOptions, 'onProgress' | 'signal'> {
  seed: number;
  count: number;
  /** Side in pixels. */
  size: number;
}

/**
 * Writes `count` emoji as PNG files into a new folder with a sub-folder for each class. The folder appears under its
 * name only when complete.
 * @throws ImageDataError for a folder that is not empty
 *
 * @example
 * ```ts
 * await writeEmoji('emoji', { seed: 1, count: 1000, size: 64 });
 * ```
 */
export async function writeEmoji(folder: string, options: EmojiFolderOptions): Promise<void> {
  const keep = async () => false;
  await writeFolder(folder, keep, async (partial) => {
    const { store } = await makeEmoji({ ...options, heldOut: 0 });
    for (const name of emojiClasses) await mkdir(join(partial, name));
    const write = async (i: number) => {
      const icon = store.load(i);
      const { name, label = 0 } = icon;
      const file = `${String(i).padStart(5, '0')}-${name.split(' ').at(-1)}.png`;
      const image = await sharpOf(icon);
      await image.png().toFile(join(partial, emojiClasses[label] as string, file));
    };
    await inParallel(store.length, write, 'writing emoji');
  });
}

/** Returns `count` of the items in random order: each once before any is repeated. */
function take(items: readonly number[], count: number, seed: number): number[] {
  const result: number[] = [];
  for (let round = 0; result.length < count; round++) {
    result.push(...new SeededRandom(seed, round).shuffle(items).slice(0, count - result.length));
  }
  return result;
}

async function drawEmoji({ body }: Icon, size: number, random: SeededRandom): Promise<Uint8Array> {
  const ground = `hsl(${random.integer(360)} ${45 + random.integer(35)}% ${82 + random.integer(10)}%)`;
  const turn = random.between(-12, 12);
  const scale = random.between(0.72, 0.88);
  const [dx, dy] = [random.between(-5, 5), random.between(-5, 5)];
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${size}" height="${size}" viewBox="0 0 128 128">` +
    `<rect width="128" height="128" fill="${ground}"/>` +
    `<g transform="translate(${64 + dx} ${64 + dy}) rotate(${turn}) scale(${scale}) translate(-64 -64)">${body}</g></svg>`;
  const sharp = await loadSharp();
  return sharp(Buffer.from(svg)).toColourspace('srgb').removeAlpha().raw().toBuffer();
}

async function openIcons(): Promise<Icon[]> {
  const [set, metadata] = await Promise.all([readNoto('icons'), readNoto('metadata')]);
  const { icons } = set as NotoIcons;
  const named = (metadata as { categories: Record<string, string[]> }).categories;
  return Object.values(categories).flatMap((category, label) =>
    (named[category] ?? []).flatMap((name) => {
      const icon = icons[name];
      if (icon === undefined || isFurtherClock(name)) return [];
      return [{ name, concept: conceptOf(name), label, body: icon.body }];
    }),
  );
}

/** Returns the concept of an icon: a horse and its face, or hearts of different colours, are one concept. */
function conceptOf(name: string): string {
  return name
    .replace(/^(black|blue|brown|green|grey|light-blue|orange|pink|purple|red|white|yellow)-heart$/, 'heart')
    .replace(/-face$/, '');
}

/** True for all but one of the 24 clocks, which differ only in the time they show. */
function isFurtherClock(name: string): boolean {
  return /-(oclock|thirty)$/.test(name) && name !== 'ten-thirty';
}
