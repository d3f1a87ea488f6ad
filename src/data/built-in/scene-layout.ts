import { SeededRandom } from '../seeded-random.js';
import { seasons, timesOfDay, type Season, type TimeOfDay } from './scene-palette.js';
import { spriteModels, type SpriteKind, type SpriteTint } from './scene-sprites.js';

/**
 * Positions of everything in a scene. Lengths are in units of the image's height, y from the upper edge
 * downwards and x from the left edge, so that a layout does not depend on the number of pixels.
 */
export interface SceneLayout {
  season: Season;
  timeOfDay: TimeOfDay;
  /** Width divided by height. */
  aspect: number;
  /** Height of the eye's horizon; a point of the ground at y is at depth 1 / (y - horizon). */
  horizon: number;
  disc: { x: number; y: number; radius: number; crescent: boolean };
  stars: { x: number; y: number; brightness: number }[];
  clouds: { x: number; y: number; width: number }[];
  /** From far to near. The last one is the ground that objects stand on. */
  ridges: Ridge[];
  /** From far to near: painted in this order. */
  objects: SceneObject[];
}

/** Upper edge of a strip of land: `base` plus a sum of sine waves. */
export interface Ridge {
  base: number;
  waves: { amplitude: number; frequency: number; phase: number }[];
}

export interface SceneObject {
  kind: SpriteKind;
  sprite: string;
  tint: SpriteTint;
  /** Middle of its feet. */
  x: number;
  y: number;
  width: number;
  height: number;
  flip: boolean;
}

export interface SceneRequest {
  seed: number;
  index: number;
  /** Pixels. Small images get fewer and larger objects. */
  width: number;
  height: number;
  /** Use only sprites that training scenes never contain. */
  heldOutSprites?: boolean;
}

/** Height in pixels below which a scene has fewer and larger objects. */
const smallPicture = 96;

/**
 * Returns the layout of scene `index` of the endless series `seed`.
 *
 * @example
 * ```ts
 * const layout = layoutScene({ seed: 1, index: 0, width: 64, height: 64 });
 * console.log(layout.season, layout.timeOfDay);
 * ```
 */
export function layoutScene(request: SceneRequest): SceneLayout {
  const { seed, index, width, height } = request;
  for (const [name, value] of Object.entries({ seed, index, width, height })) {
    if (!Number.isSafeInteger(value)) throw new RangeError(`scene ${name} must be an integer, got ${value}`);
  }
  if (width < 16 || height < 16) {
    throw new RangeError(`a scene needs at least 16 × 16 pixels, got ${width} × ${height}`);
  }
  const random = new SeededRandom(seed, index);
  const aspect = width / height;
  const season = random.pick(seasons);
  const timeOfDay = random.pick(timesOfDay);
  const horizon = random.between(0.47, 0.56);
  const layout: SceneLayout = {
    season,
    timeOfDay,
    aspect,
    horizon,
    disc: layoutDisc(random, timeOfDay, aspect, horizon),
    stars: [],
    clouds: [],
    ridges: [
      ridge(random, horizon - random.between(0.08, 0.16), 0.055, 1.6),
      ridge(random, horizon - random.between(0.0, 0.05), 0.035, 1.1),
      ridge(random, horizon + 0.055, 0.012, 0.8),
    ],
    objects: [],
  };
  if (timeOfDay === 'night') {
    const count = Math.round(22 * aspect);
    for (let i = 0; i < count; i++) {
      layout.stars.push({
        x: random.between(0, aspect),
        y: random.between(0, horizon - 0.12),
        brightness: random.between(0.35, 1),
      });
    }
  }
  const clouds = Math.round(random.between(0, 2.4) * Math.max(1, aspect / 1.5));
  for (let i = 0; i < clouds; i++) {
    layout.clouds.push({
      x: random.between(0, aspect),
      y: random.between(0.07, horizon - 0.25),
      width: random.between(0.22, 0.42),
    });
  }
  layout.objects = layoutObjects(random, request, layout);
  return layout;
}

/** Returns the box in pixels that an object's sprite is painted into; it may extend beyond the image. */
export function spriteBox(
  object: SceneObject,
  height: number,
): { left: number; top: number; width: number; height: number } {
  const size = {
    width: Math.max(1, Math.round(object.width * height)),
    height: Math.max(1, Math.round(object.height * height)),
  };
  const left = Math.round(object.x * height - size.width / 2);
  return { left, top: Math.round(object.y * height) - size.height, ...size };
}

/** Returns the height of a ridge's upper edge at x. */
export function ridgeHeight(band: Ridge, x: number): number {
  let y = band.base;
  for (const wave of band.waves) y += wave.amplitude * Math.sin(wave.frequency * x + wave.phase);
  return y;
}

function layoutDisc(random: SeededRandom, timeOfDay: TimeOfDay, aspect: number, horizon: number) {
  const low = timeOfDay === 'dawn' || timeOfDay === 'dusk';
  return {
    x: random.between(0.12, aspect - 0.12),
    y: low ? horizon - random.between(0.14, 0.24) : random.between(0.1, 0.22),
    radius: low ? 0.085 : 0.07,
    crescent: timeOfDay === 'night' && random.chance(0.5),
  };
}

function ridge(random: SeededRandom, base: number, amplitude: number, frequency: number): Ridge {
  const waves = [1, 2.1, 4.3].map((harmonic) => ({
    amplitude: (amplitude * random.between(0.6, 1)) / harmonic,
    frequency: 2 * Math.PI * frequency * harmonic * random.between(0.8, 1.2),
    phase: random.between(0, 2 * Math.PI),
  }));
  return { base, waves };
}

function layoutObjects(random: SeededRandom, request: SceneRequest, layout: SceneLayout): SceneObject[] {
  const small = request.height < smallPicture;
  const wide = Math.max(1, layout.aspect);
  const count = (few: number, many: number) => Math.max(1, Math.round((small ? few : many) * wide));
  // Height of one metre at the lower edge; small images are closer to their subjects.
  const scale = small ? 0.3 : 0.23;
  const wanted: { kind: SpriteKind; near: number; far: number }[] = [];
  const add = (kind: SpriteKind, times: number, far: number, near: number) => {
    for (let i = 0; i < times; i++) wanted.push({ kind, far, near });
  };
  if (!small || random.chance(0.75)) add('building', Math.max(1, Math.round(wide / 2)), 0.32, 0.46);
  if (random.chance(small ? 0.3 : 0.5)) add('vehicle', Math.max(1, Math.round(wide / 2)), 0.45, 0.7);
  add('tree', count(2, 3), 0.28, 0.5);
  add('animal', count(1, 2), 0.62, 0.92);

  const placed: SceneObject[] = [];
  for (const { kind, near, far } of wanted) {
    const sprite = pickSprite(random, kind, layout.season, request.heldOutSprites ?? false);
    const model = spriteModels[sprite];
    if (model === undefined) continue;
    const tint = pickTint(random, sprite, layout.season);
    const flip = random.chance(0.5);
    const stretch = kind === 'tree' ? random.between(0.85, 1.15) : 1;
    let best: SceneObject | undefined;
    let bestOverlap = Infinity;
    for (let attempt = 0; attempt < 16 && bestOverlap > 0; attempt++) {
      const nearness = random.between(far, near);
      const height = model.height * stretch * scale * nearness;
      const width = (height * model.box[2]) / model.box[3];
      const x = random.between(0.35 * width, layout.aspect - 0.35 * width);
      const y = layout.horizon + nearness * (1 - layout.horizon);
      const candidate: SceneObject = { kind, sprite, tint, x, y, width, height, flip };
      const overlap = placed.reduce((sum, other) => sum + hidden(candidate, other), 0);
      if (overlap < bestOverlap) [best, bestOverlap] = [candidate, overlap];
    }
    if (best !== undefined) placed.push(best);
  }
  return placed.sort((a, b) => a.y - b.y);
}

/** Returns how much two objects overlap horizontally, beyond the little that looks natural. */
function hidden(a: SceneObject, b: SceneObject): number {
  const shared =
    Math.min(a.x + a.width / 2, b.x + b.width / 2) - Math.max(a.x - a.width / 2, b.x - b.width / 2);
  const allowed = (a.kind === 'tree' && b.kind === 'tree' ? 0.45 : 0.25) * Math.min(a.width, b.width);
  return Math.max(0, shared - allowed);
}

function pickSprite(random: SeededRandom, kind: SpriteKind, season: Season, heldOut: boolean): string {
  const all = Object.entries(spriteModels).filter(
    ([, m]) => m.kind === kind && (m.seasons?.includes(season) ?? true),
  );
  const seen = all.filter(([, m]) => m.heldOut !== true);
  const unseen = all.filter(([, m]) => m.heldOut === true);
  const [name] = random.pick(heldOut && unseen.length > 0 ? unseen : seen);
  return name;
}

function pickTint(random: SeededRandom, sprite: string, season: Season): SpriteTint {
  if (sprite === 'evergreen-tree') return season === 'winter' ? 'snow' : 'plain';
  if (sprite !== 'deciduous-tree') return 'plain';
  if (season === 'autumn') return random.pick(['copper', 'gold'] as const);
  if (season === 'spring') return random.pick(['blossom', 'plain'] as const);
  return 'plain';
}
