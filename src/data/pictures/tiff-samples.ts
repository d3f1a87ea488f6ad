/** Reads the kind of a TIFF's samples from its tags: the decoder converts some kinds wrongly without an error. */

/** Tags of a TIFF's first image. */
export interface TiffTags {
  /** Bits per sample. */
  bits: number;
  /** SampleFormat: 1 unsigned, 2 signed, 3 floating point, 4 undefined, 5 and 6 complex. */
  format: number;
  /** Samples per pixel. */
  samples: number;
  /** PhotometricInterpretation: 0 white is zero, 1 black is zero, 2 RGB, 3 palette, 5 CMYK, 6 YCbCr, 8 to 10 Lab … */
  photometric: number;
  /** ExtraSamples, one number for each sample beyond the colours: 0 unspecified, 1 and 2 transparency. */
  extra: readonly number[];
}

/** Conversion of floating point samples to bytes. */
export interface FloatSamples {
  /** Value of white: 1 or 255. */
  white: 1 | 255;
  /** True if zero is white instead. */
  inverted: boolean;
  /** True for RGB, false for grey. */
  colour: boolean;
}

const wanted = {
  258: 'bits',
  262: 'photometric',
  277: 'samples',
  338: 'extra',
  339: 'format',
} as const;

/** Reads the tags of the first image of a TIFF or BigTIFF; null if they are not found, which decoding will report. */
export function readTiffTags(bytes: Uint8Array): TiffTags | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  try {
    return tagsOf(view);
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function tagsOf(view: DataView): TiffTags {
  const little = view.getUint8(0) === 0x49;
  const big = view.getUint16(2, little) === 43;
  const word = (at: number) => (big ? Number(view.getBigUint64(at, little)) : view.getUint32(at, little));
  const [wordSize, entrySize] = big ? [8, 20] : [4, 12];
  const directory = word(big ? 8 : 4);
  const count = big ? word(directory) : view.getUint16(directory, little);
  const found: Partial<Record<(typeof wanted)[keyof typeof wanted], number[]>> = {};
  for (let i = 0; i < Math.min(count, 4096); i++) {
    const entry = directory + (big ? 8 : 2) + i * entrySize;
    const name = wanted[view.getUint16(entry, little) as keyof typeof wanted];
    if (name === undefined) continue;
    const size = view.getUint16(entry + 2, little) === 3 ? 2 : 4;
    const length = Math.min(word(entry + 4), 4096);
    const inside = entry + 4 + wordSize;
    const at = length * size <= wordSize ? inside : word(inside);
    found[name] = Array.from({ length }, (_, k) =>
      size === 2 ? view.getUint16(at + k * size, little) : view.getUint32(at + k * size, little),
    );
  }
  const first = (name: keyof typeof found, otherwise: number) => found[name]?.[0] ?? otherwise;
  return {
    bits: first('bits', 1),
    format: first('format', 1),
    samples: first('samples', 1),
    photometric: first('photometric', 1),
    extra: found.extra ?? [],
  };
}

/** Number of colour samples of each supported interpretation. */
const colours: Readonly<Record<number, number>> = { 0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3, 8: 3, 9: 3 };
const names: Readonly<Record<number, string>> = {
  4: 'a transparency mask',
  10: 'ITU Lab',
  32803: 'raw mosaic data of a camera',
  32844: 'LogL',
  32845: 'LogLuv',
  34892: 'linear raw data of a camera',
};

/** Returns the reason why a TIFF's samples are not supported; null if they are. */
export function tiffFault({ bits, format, samples, photometric, extra }: TiffTags): string | null {
  const colour = colours[photometric];
  const beyond = samples - (colour ?? samples);
  if (
    colour !== undefined &&
    (beyond > 1 || beyond < 0 || (colour === 1 && beyond === 1 && !isAlpha(extra)))
  ) {
    return (
      `it has ${samples} bands; an image has 1 (grey), 3 (red, green, blue) or 4 (CMYK), and optionally one for ` +
      'transparency. Save the visible bands as a separate image'
    );
  }
  if (colour === undefined) {
    return `its samples are ${names[photometric] ?? `of an unknown kind (${photometric})`}; save it as RGB`;
  }
  if (photometric >= 8) {
    const read = photometric === 8 && ((format === 1 && bits === 16) || (format === 3 && bits === 32));
    return read ? null : `its samples are Lab in ${bits} bits, which is not supported; save it as RGB`;
  }
  const kind = { 2: 'signed integers', 5: 'complex numbers', 6: 'complex numbers' }[format];
  if (kind !== undefined)
    return `its samples are ${kind}, which have no agreed range; save it with 8 or 16 bits, unsigned`;
  if (format !== 3 && bits > 16) {
    return `its samples are integers of ${bits} bits, which have no agreed range; save it with 8 or 16 bits`;
  }
  if (format === 3 && (bits !== 32 || photometric > 2 || beyond > 0)) {
    const what = beyond > 0 ? 'floating point with transparency' : `floating point of ${bits} bits`;
    return `its samples are ${photometric > 2 ? 'floating point in a colour space other than RGB' : what}; save it with 8 or 16 bits`;
  }
  return null;
}

/** True if the extra sample is transparency; also if no tag describes it, as old programs wrote none. */
function isAlpha(extra: readonly number[]): boolean {
  return extra.length === 0 || extra[0] === 1 || extra[0] === 2;
}

/** True if there is one extra sample that is not transparency, such as near infrared. */
export function hasSpareBand({ samples, photometric, extra }: TiffTags): boolean {
  return samples === (colours[photometric] ?? samples) + 1 && !isAlpha(extra);
}
