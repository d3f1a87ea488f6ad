/** Colours of the built-in landscapes. Components are sRGB in 0..255. */
export type Rgb = readonly [number, number, number];

/** The seasons that scenes are painted in. */
export const seasons = ['spring', 'summer', 'autumn', 'winter'] as const;
export type Season = (typeof seasons)[number];

/** The times of day that scenes are painted in. */
export const timesOfDay = ['dawn', 'day', 'dusk', 'night'] as const;
export type TimeOfDay = (typeof timesOfDay)[number];

export interface Sky {
  top: Rgb;
  middle: Rgb;
  /** Colour at the horizon; distant hills fade towards it. */
  bottom: Rgb;
  /** Factor per channel of this light on everything on the ground. */
  light: Rgb;
  /** Sun or moon. */
  disc: Rgb;
  glow: Rgb;
  cloud: Rgb;
}

export const skies: Readonly<Record<TimeOfDay, Sky>> = {
  dawn: {
    top: [126, 152, 214],
    middle: [240, 190, 196],
    bottom: [255, 226, 176],
    light: [1.0, 0.93, 0.88],
    disc: [255, 240, 190],
    glow: [255, 214, 160],
    cloud: [255, 228, 222],
  },
  day: {
    top: [66, 140, 226],
    middle: [136, 194, 244],
    bottom: [214, 238, 252],
    light: [1, 1, 1],
    disc: [255, 244, 160],
    glow: [255, 250, 214],
    cloud: [255, 255, 255],
  },
  dusk: {
    top: [74, 60, 128],
    middle: [214, 98, 110],
    bottom: [255, 172, 84],
    light: [0.98, 0.78, 0.68],
    disc: [255, 216, 120],
    glow: [255, 160, 80],
    cloud: [232, 136, 132],
  },
  night: {
    top: [12, 18, 52],
    middle: [28, 42, 92],
    bottom: [62, 84, 138],
    light: [0.52, 0.58, 0.82],
    disc: [246, 242, 214],
    glow: [120, 140, 190],
    cloud: [58, 74, 122],
  },
};

export interface Land {
  far: Rgb;
  near: Rgb;
  /** Colours of the ground at the horizon and at the lower edge of the image. */
  groundFar: Rgb;
  groundNear: Rgb;
}

export const lands: Readonly<Record<Season, Land>> = {
  spring: {
    far: [124, 176, 134],
    near: [122, 190, 92],
    groundFar: [156, 212, 96],
    groundNear: [96, 172, 62],
  },
  summer: { far: [84, 140, 112], near: [72, 142, 66], groundFar: [112, 174, 66], groundNear: [58, 124, 44] },
  autumn: {
    far: [164, 128, 104],
    near: [196, 132, 62],
    groundFar: [222, 176, 90],
    groundNear: [172, 118, 52],
  },
  winter: {
    far: [168, 188, 214],
    near: [204, 218, 234],
    groundFar: [240, 246, 252],
    groundNear: [206, 220, 238],
  },
};

/** Blends two colours; `amount` 0 returns `a`, 1 returns `b`. */
export function blend(a: Rgb, b: Rgb, amount: number): Rgb {
  return [a[0] + (b[0] - a[0]) * amount, a[1] + (b[1] - a[1]) * amount, a[2] + (b[2] - a[2]) * amount];
}

export function lit(colour: Rgb, light: Rgb): Rgb {
  return [colour[0] * light[0], colour[1] * light[1], colour[2] * light[2]];
}
