import { readNoto, type NotoIcons } from './noto-icons.js';
import { blend, type Rgb, type Season } from './scene-palette.js';
import { loadSharp } from '../pictures/sharp.js';

export type SpriteKind = 'tree' | 'building' | 'vehicle' | 'animal';

export interface SpriteModel {
  kind: SpriteKind;
  /** Drawn part of the icon, [left, top, width, height] on its 128×128 canvas. */
  box: readonly [number, number, number, number];
  /** Height in the scene, roughly in metres (picture-book proportions: animals are large, houses small). */
  height: number;
  /** Seasons in which it appears; all if absent. */
  seasons?: readonly Season[];
  /** Excluded from training scenes, for tests of generalisation. */
  heldOut?: boolean;
}

/** Icons in the scenes, by their name in the Noto set. */
export const spriteModels: Readonly<Record<string, SpriteModel>> = {
  'evergreen-tree': { kind: 'tree', box: [11, 4, 106, 120], height: 5 },
  'deciduous-tree': {
    kind: 'tree',
    box: [9, 3, 109, 121],
    height: 4.6,
    seasons: ['spring', 'summer', 'autumn'],
  },
  'leafless-tree': { kind: 'tree', box: [5, 4, 119, 120], height: 4.2, seasons: ['winter'] },
  house: { kind: 'building', box: [4, 6, 120, 119], height: 4.2 },
  hut: { kind: 'building', box: [4, 12, 120, 112], height: 3.4 },
  church: { kind: 'building', box: [16, 2, 96, 123], height: 5.6 },
  tent: { kind: 'building', box: [4, 44, 120, 81], height: 2.2 },
  castle: { kind: 'building', box: [5, 6, 121, 118], height: 6, heldOut: true },
  tractor: { kind: 'vehicle', box: [2, 25, 123, 100], height: 2 },
  automobile: { kind: 'vehicle', box: [3, 48, 122, 77], height: 1.5 },
  'pickup-truck': { kind: 'vehicle', box: [3, 41, 124, 84], height: 1.7 },
  'sport-utility-vehicle': { kind: 'vehicle', box: [2, 45, 124, 79], height: 1.6 },
  'delivery-truck': { kind: 'vehicle', box: [4, 25, 121, 99], height: 2.2 },
  bus: { kind: 'vehicle', box: [4, 42, 120, 83], height: 2 },
  cow: { kind: 'animal', box: [4, 18, 120, 102], height: 1.5 },
  horse: { kind: 'animal', box: [3, 9, 124, 111], height: 1.8 },
  goat: { kind: 'animal', box: [20, 4, 85, 119], height: 1.4 },
  ewe: { kind: 'animal', box: [4, 4, 120, 120], height: 1.3 },
  ram: { kind: 'animal', box: [4, 13, 120, 112], height: 1.3 },
  pig: { kind: 'animal', box: [5, 15, 119, 106], height: 1.2 },
  dog: { kind: 'animal', box: [4, 5, 113, 120], height: 1.2 },
  cat: { kind: 'animal', box: [10, 4, 108, 121], height: 1.1 },
  deer: { kind: 'animal', box: [22, 5, 75, 119], height: 1.9 },
  bison: { kind: 'animal', box: [4, 10, 121, 115], height: 1.8 },
  rooster: { kind: 'animal', box: [15, 6, 104, 117], height: 1.1 },
  duck: { kind: 'animal', box: [7, 4, 109, 122], height: 1 },
  rabbit: { kind: 'animal', box: [18, 4, 97, 120], height: 1 },
  llama: { kind: 'animal', box: [8, 5, 112, 119], height: 1.9, heldOut: true },
};

/** Colour scheme of a sprite: its own colours, or foliage recoloured for the season. */
export type SpriteTint = 'plain' | 'blossom' | 'copper' | 'gold' | 'snow';

export interface Raster {
  width: number;
  height: number;
  /** RGBA bytes, row by row, colour not multiplied by alpha. */
  pixels: Uint8Array;
}

/**
 * Draws Noto icons at any size; each (icon, size, tint) is drawn once and cached.
 *
 * @example
 * ```ts
 * const sheet: SpriteSheet = await openSpriteSheet();
 * const { pixels } = await sheet.raster('deciduous-tree', 32, 32); // RGBA
 * ```
 */
export class SpriteSheet {
  #icons: NotoIcons['icons'];
  #rasters = new Map<string, Promise<Raster>>();

  constructor(icons: NotoIcons['icons']) {
    this.#icons = icons;
  }

  /** Returns the sprite, cropped to its drawn part and scaled to exactly `width` × `height` pixels. */
  raster(name: string, width: number, height: number, tint: SpriteTint = 'plain'): Promise<Raster> {
    const key = `${name} ${width}x${height} ${tint}`;
    let raster = this.#rasters.get(key);
    if (raster === undefined) {
      raster = this.#draw(name, width, height, tint);
      this.#rasters.set(key, raster);
    }
    return raster;
  }

  async #draw(name: string, width: number, height: number, tint: SpriteTint): Promise<Raster> {
    const icon = this.#icons[name];
    const model = spriteModels[name];
    if (icon === undefined || model === undefined) throw new RangeError(`there is no sprite named "${name}"`);
    const body = tint === 'plain' ? icon.body : recolourFoliage(icon.body, foliage[tint]);
    const svg =
      `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" ` +
      `viewBox="${model.box.join(' ')}" preserveAspectRatio="none">${body}</svg>`;
    const sharp = await loadSharp();
    const pixels = await sharp(Buffer.from(svg)).toColourspace('srgb').ensureAlpha().raw().toBuffer();
    if (pixels.length !== width * height * 4) {
      throw new Error(
        `sprite "${name}" was rendered to ${pixels.length} bytes, expected ${width}×${height}×4`,
      );
    }
    return { width, height, pixels };
  }
}

/**
 * Opens the icon set of the scenes.
 * @throws if the package `@iconify-json/noto` is not installed
 */
export async function openSpriteSheet(): Promise<SpriteSheet> {
  const { icons } = (await readNoto('icons')) as NotoIcons;
  return new SpriteSheet(icons);
}

const foliage: Readonly<Record<Exclude<SpriteTint, 'plain'>, { colour: Rgb; amount: number }>> = {
  blossom: { colour: [255, 186, 214], amount: 0.8 },
  copper: { colour: [226, 104, 40], amount: 0.85 },
  gold: { colour: [244, 186, 52], amount: 0.85 },
  snow: { colour: [236, 242, 252], amount: 0.82 },
};

/** Blends the green fills of an icon with another colour, keeping their differences in brightness. */
function recolourFoliage(body: string, target: { colour: Rgb; amount: number }): string {
  return body.replace(/#([0-9a-f]{6}|[0-9a-f]{3})\b/gi, (hex) => {
    const [red, green, blue] = parseHex(hex);
    if (green <= red || green <= blue) return hex;
    const shade = 0.7 + (0.6 * green) / 255;
    const goal: Rgb = [target.colour[0] * shade, target.colour[1] * shade, target.colour[2] * shade];
    return toHex(blend([red, green, blue], goal, target.amount));
  });
}

function parseHex(hex: string): Rgb {
  const digits = hex.length === 4 ? hex.slice(1).replace(/./g, '$&$&') : hex.slice(1);
  const value = Number.parseInt(digits, 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

function toHex(colour: Rgb): string {
  return `#${colour.map((c) => Math.min(255, Math.round(c)).toString(16).padStart(2, '0')).join('')}`;
}
