/** The few kinds of protobuf fields that TensorBoard's events consist of. */

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  // Steps may exceed 32 bits, which bit operations do not.
  while (rest >= 128) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  return [...bytes, rest];
}

/** Wire types: the layouts of a field's bytes. */
const wire = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 };

const tag = (field: number, layout: number): number[] => varint(field * 8 + layout);

/** Returns a field with a non-negative integer; none for 0, its default. */
export const integerField = (field: number, value: number): Buffer =>
  Buffer.from(value === 0 ? [] : [...tag(field, wire.varint), ...varint(value)]);

export function doubleField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([Buffer.from(tag(field, wire.fixed64)), bytes]);
}

export function floatField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([Buffer.from(tag(field, wire.fixed32)), bytes]);
}

/** Returns a field with text, bytes, or another message. */
export function bytesField(field: number, value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value as Uint8Array);
  return Buffer.concat([Buffer.from([...tag(field, wire.bytes), ...varint(bytes.length)]), bytes]);
}
