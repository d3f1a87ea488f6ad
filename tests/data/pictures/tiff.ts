/** TIFFs of sample kinds that no encoder here writes. */

export interface TiffPicture {
  width?: number;
  height?: number;
  /** Samples a pixel, their bits and format (1 unsigned, 2 signed, 3 floating point, 6 complex). */
  samples?: number;
  bits: number;
  format: number;
  /** 0 white is zero, 1 black is zero, 2 RGB, 5 CMYK, 8 Lab. */
  photometric?: number;
  /** Kinds of the samples beyond the colours: 0 unspecified, 2 transparency. */
  extra?: number[];
  /** Value of each sample, by its position. */
  value: (index: number) => number;
  bigEndian?: boolean;
}

const arrays = {
  '1/8': Uint8Array,
  '1/16': Uint16Array,
  '1/32': Uint32Array,
  '2/8': Int8Array,
  '2/16': Int16Array,
  '2/32': Int32Array,
  '3/32': Float32Array,
  '3/64': Float64Array,
} as const;

/** An uncompressed TIFF of 4 × 4 pixels, or as large as asked for. */
export function tiff(picture: TiffPicture): Buffer {
  const {
    width = 4,
    height = 4,
    samples = 1,
    bits,
    format,
    photometric = 1,
    extra,
    bigEndian = false,
  } = picture;
  const values = Array.from({ length: width * height * samples }, (_, i) => picture.value(i));
  const Typed = arrays[`${format}/${bits}` as keyof typeof arrays];
  const data = Typed ? Buffer.from(Typed.from(values).buffer) : Buffer.alloc((values.length * bits) / 8);
  if (bigEndian && bits === 16) data.swap16();
  if (bigEndian && bits === 32) data.swap32();
  const tags: [tag: number, type: 3 | 4, values: number[]][] = [
    [256, 4, [width]],
    [257, 4, [height]],
    [258, 3, Array<number>(samples).fill(bits)],
    [259, 3, [1]],
    [262, 3, [photometric]],
    [273, 4, [0]],
    [277, 3, [samples]],
    [278, 4, [height]],
    [279, 4, [data.length]],
    ...(extra ? ([[338, 3, extra]] as [number, 3, number[]][]) : []),
    [339, 3, Array<number>(samples).fill(format)],
  ];
  const head = Buffer.alloc(8 + 2 + tags.length * 12 + 4);
  const u16 = (buffer: Buffer, value: number, at: number) =>
    bigEndian ? buffer.writeUInt16BE(value, at) : buffer.writeUInt16LE(value, at);
  const u32 = (buffer: Buffer, value: number, at: number) =>
    bigEndian ? buffer.writeUInt32BE(value, at) : buffer.writeUInt32LE(value, at);
  head.write(bigEndian ? 'MM' : 'II', 0, 'latin1');
  u16(head, 42, 2);
  u32(head, 8, 4);
  u16(head, tags.length, 8);
  const outside: Buffer[] = [];
  let end = head.length;
  for (const [i, [tag, type, list]] of tags.entries()) {
    const at = 10 + i * 12;
    u16(head, tag, at);
    u16(head, type, at + 2);
    u32(head, list.length, at + 4);
    const size = type === 3 ? 2 : 4;
    const bytes = Buffer.alloc(Math.max(4, list.length * size));
    for (const [k, value] of list.entries()) (type === 3 ? u16 : u32)(bytes, value, k * size);
    if (list.length * size <= 4) bytes.copy(head, at + 8);
    else {
      u32(head, end, at + 8);
      outside.push(bytes);
      end += bytes.length;
    }
  }
  u32(head, end, 10 + tags.findIndex(([tag]) => tag === 273) * 12 + 8);
  return Buffer.concat([head, ...outside, data]);
}
