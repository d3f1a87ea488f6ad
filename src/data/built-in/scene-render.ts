import { ridgeHeight, spriteBox, type SceneLayout, type SceneObject } from './scene-layout.js';
import { blend, lands, lit, skies, type Rgb } from './scene-palette.js';
import type { SpriteSheet } from './scene-sprites.js';

/** Labels of a scene's segmentation, by index. */
export const sceneLabels = [
  'sky',
  'sun',
  'farHill',
  'nearHill',
  'ground',
  'tree',
  'building',
  'vehicle',
  'animal',
] as const;
export type SceneLabel = (typeof sceneLabels)[number];

export interface RenderedScene {
  width: number;
  height: number;
  /** RGB bytes, [height, width, 3]. */
  image: Uint8Array;
  /** Index into `sceneLabels`, [height, width]. Clouds and stars count as sky. */
  segmentation: Uint8Array;
  /** Inverse depth, [height, width]: 0 infinitely far (sky), 1 where the ground meets the lower edge. */
  inverseDepth: Float32Array;
}

const label = Object.fromEntries(sceneLabels.map((name, i) => [name, i])) as Record<SceneLabel, number>;

/** Share of a pixel that a sprite or a disc must cover to own the pixel. */
const solid = 0.5;

/**
 * Paints a layout, from far to near. Image, segmentation and depth come from the same geometry, so they match to the
 * pixel.
 */
export async function renderScene(
  layout: SceneLayout,
  width: number,
  height: number,
  sprites: SpriteSheet,
): Promise<RenderedScene> {
  const canvas = new Canvas(width, height);
  paintSky(canvas, layout);
  paintLand(canvas, layout);
  const light = skies[layout.timeOfDay].light;
  for (const object of layout.objects) {
    paintShadow(canvas, object, layout.timeOfDay === 'night' ? 0.3 : 0.36);
    await paintSprite(canvas, object, light, nearness(layout, object.y), sprites);
  }
  return canvas.finish();
}

/** Returns the inverse depth of the ground at height y: in perspective it grows linearly from the horizon downwards. */
function nearness(layout: SceneLayout, y: number): number {
  return Math.min(1, Math.max(0, (y - layout.horizon) / (1 - layout.horizon)));
}

class Canvas {
  readonly width: number;
  readonly height: number;
  readonly colour: Float32Array;
  readonly segmentation: Uint8Array;
  readonly inverseDepth: Float32Array;

  constructor(width: number, height: number) {
    this.width = width;
    this.height = height;
    this.colour = new Float32Array(width * height * 3);
    this.segmentation = new Uint8Array(width * height);
    this.inverseDepth = new Float32Array(width * height);
  }

  mix(pixel: number, colour: Rgb, alpha: number): void {
    const at = pixel * 3;
    for (let c = 0; c < 3; c++) {
      const before = this.colour[at + c] as number;
      this.colour[at + c] = before + ((colour[c] as number) - before) * alpha;
    }
  }

  mark(pixel: number, name: SceneLabel, inverseDepth: number): void {
    this.segmentation[pixel] = label[name];
    this.inverseDepth[pixel] = inverseDepth;
  }

  finish(): RenderedScene {
    const image = new Uint8Array(this.colour.length);
    for (let i = 0; i < image.length; i++)
      image[i] = Math.round(Math.min(255, Math.max(0, this.colour[i] as number)));
    return {
      width: this.width,
      height: this.height,
      image,
      segmentation: this.segmentation,
      inverseDepth: this.inverseDepth,
    };
  }
}

function paintSky(canvas: Canvas, layout: SceneLayout): void {
  const { width, height } = canvas;
  const sky = skies[layout.timeOfDay];
  const { disc } = layout;
  for (let row = 0; row < height; row++) {
    const y = (row + 0.5) / height;
    const down = Math.min(1, y / layout.horizon);
    const base =
      down < 0.55
        ? blend(sky.top, sky.middle, down / 0.55)
        : blend(sky.middle, sky.bottom, (down - 0.55) / 0.45);
    for (let column = 0; column < width; column++) {
      const pixel = row * width + column;
      const x = (column + 0.5) / height;
      canvas.mix(pixel, base, 1);
      const distance = Math.hypot(x - disc.x, y - disc.y);
      canvas.mix(pixel, sky.glow, 0.55 * Math.exp(-((distance / (3 * disc.radius)) ** 2)));
    }
  }
  for (const star of layout.stars) {
    const column = Math.floor(star.x * height);
    const row = Math.floor(star.y * height);
    if (column < width && row < height)
      canvas.mix(row * width + column, [255, 250, 230], 0.75 * star.brightness);
  }
  for (let pixel = 0; pixel < width * height; pixel++) {
    const x = ((pixel % width) + 0.5) / height;
    const y = (Math.floor(pixel / width) + 0.5) / height;
    let cover = within(Math.hypot(x - disc.x, y - disc.y), disc.radius, height);
    if (disc.crescent) {
      const bite = Math.hypot(x - disc.x - 0.45 * disc.radius, y - disc.y + 0.25 * disc.radius);
      cover = Math.max(0, cover - within(bite, 0.85 * disc.radius, height));
    }
    if (cover > 0) canvas.mix(pixel, sky.disc, cover);
    if (cover >= solid) canvas.mark(pixel, 'sun', 0);
    let haze = 0;
    for (const cloud of layout.clouds) haze = Math.max(haze, cloudCover(cloud, x, y));
    if (haze > 0) canvas.mix(pixel, sky.cloud, 0.88 * haze);
    if (haze >= solid) canvas.mark(pixel, 'sky', 0);
  }
}

/** Returns the share of a pixel inside a disc's edge, for a smooth outline. */
function within(distance: number, radius: number, height: number): number {
  return Math.min(1, Math.max(0, (radius - distance) * height + 0.5));
}

/** Returns the cover of a cloud: three soft bumps on a flat base. */
function cloudCover(cloud: { x: number; y: number; width: number }, x: number, y: number): number {
  let cover = 0;
  for (const [offset, size, lift] of [
    [-0.28, 0.22, 0],
    [0.02, 0.3, 0.06],
    [0.3, 0.2, 0.01],
  ] as const) {
    const dx = (x - cloud.x - offset * cloud.width) / (size * cloud.width);
    const dy = (y - cloud.y + lift * cloud.width) / (0.62 * size * cloud.width);
    const inside = 1 - (dx * dx + dy * dy);
    cover = Math.max(cover, Math.min(1, Math.max(0, inside * 1.8)));
  }
  return cover;
}

function paintLand(canvas: Canvas, layout: SceneLayout): void {
  const { width, height } = canvas;
  const sky = skies[layout.timeOfDay];
  const land = lands[layout.season];
  const far = blend(lit(land.far, sky.light), sky.bottom, 0.35);
  const near = blend(lit(land.near, sky.light), sky.bottom, 0.12);
  const groundFar = lit(land.groundFar, sky.light);
  const groundNear = lit(land.groundNear, sky.light);
  const bands = [
    { name: 'farHill', depth: 0.02 },
    { name: 'nearHill', depth: 0.05 },
    { name: 'ground', depth: 0 },
  ] as const;
  bands.forEach(({ name, depth }, b) => {
    const band = layout.ridges[b];
    if (band === undefined)
      throw new RangeError(`a scene needs ${bands.length} ridges, got ${layout.ridges.length}`);
    for (let column = 0; column < width; column++) {
      const edge = ridgeHeight(band, (column + 0.5) / height);
      for (let row = Math.max(0, Math.floor(edge * height - 1)); row < height; row++) {
        const y = (row + 0.5) / height;
        const cover = Math.min(1, Math.max(0, (y - edge) * height + 0.5));
        if (cover === 0) continue;
        const pixel = row * width + column;
        const below = Math.max(0, y - edge);
        let colour: Rgb;
        if (name === 'farHill') colour = blend(far, sky.bottom, Math.min(0.45, 2.2 * below));
        else if (name === 'nearHill') colour = blend(near, groundFar, Math.min(0.6, 4 * below));
        else colour = blend(groundFar, groundNear, Math.min(1, below / (1 - layout.horizon)));
        canvas.mix(pixel, colour, cover);
        if (cover >= solid) canvas.mark(pixel, name, name === 'ground' ? nearness(layout, y) : depth);
      }
    }
  });
}

/** Paints a soft dark ellipse under an object; it is labelled as ground. */
function paintShadow(canvas: Canvas, object: SceneObject, strength: number): void {
  const { width, height } = canvas;
  const rx = 0.52 * object.width;
  const ry = Math.max(0.012, 0.13 * object.width);
  const cy = object.y - 0.25 * ry;
  const [top, bottom] = [Math.floor((cy - ry) * height), Math.ceil((cy + ry) * height)];
  const [left, right] = [Math.floor((object.x - rx) * height), Math.ceil((object.x + rx) * height)];
  for (let row = Math.max(0, top); row < Math.min(height, bottom); row++) {
    for (let column = Math.max(0, left); column < Math.min(width, right); column++) {
      const dx = ((column + 0.5) / height - object.x) / rx;
      const dy = ((row + 0.5) / height - cy) / ry;
      const inside = 1 - (dx * dx + dy * dy);
      if (inside > 0) canvas.mix(row * width + column, [20, 24, 44], strength * Math.min(1, 1.6 * inside));
    }
  }
}

async function paintSprite(
  canvas: Canvas,
  object: SceneObject,
  light: Rgb,
  inverseDepth: number,
  sprites: SpriteSheet,
): Promise<void> {
  const { left, top, width: spriteWidth, height: spriteHeight } = spriteBox(object, canvas.height);
  const raster = await sprites.raster(object.sprite, spriteWidth, spriteHeight, object.tint);
  for (let v = Math.max(0, -top); v < spriteHeight && top + v < canvas.height; v++) {
    for (let u = Math.max(0, -left); u < spriteWidth && left + u < canvas.width; u++) {
      const from = (v * spriteWidth + (object.flip ? spriteWidth - 1 - u : u)) * 4;
      const alpha = (raster.pixels[from + 3] as number) / 255;
      if (alpha === 0) continue;
      const pixel = (top + v) * canvas.width + left + u;
      const colour: Rgb = [
        raster.pixels[from] as number,
        raster.pixels[from + 1] as number,
        raster.pixels[from + 2] as number,
      ];
      canvas.mix(pixel, lit(colour, light), alpha);
      if (alpha >= solid) canvas.mark(pixel, object.kind, inverseDepth);
    }
  }
}
