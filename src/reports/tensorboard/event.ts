/**
 * Events of TensorBoard: `Event`, `Summary` and `SessionLog` of its event.proto and summary.proto, and TFRecord files of
 * them.
 */
import { maskedCrc32c } from './crc32c.js';
import { bytesField, doubleField, floatField, integerField } from './protobuf.js';

/** An image as TensorBoard stores it: the bytes of a PNG file. */
export interface PngSummary {
  tag: string;
  png: Uint8Array;
}

/** Content of an event. */
export type EventContent =
  | { /** Begins each file. */ version: true }
  | { /** Drops what was logged from this step on: a resumed run repeats it. */ restart: true }
  | { scalars: Readonly<Record<string, number>> }
  | { image: PngSummary };

/** Returns an event, as the bytes of its message. @param time in seconds since 1970 */
export function encodeEvent(content: EventContent, { step, time }: { step: number; time: number }): Buffer {
  return Buffer.concat([doubleField(1, time), integerField(2, step), contentOf(content)]);
}

function contentOf(content: EventContent): Buffer {
  if ('version' in content) return bytesField(3, 'brain.Event:2');
  if ('restart' in content) return bytesField(7, integerField(1, 1)); // SessionLog.START
  return bytesField(5, 'image' in content ? imageSummary(content.image) : scalarSummary(content.scalars));
}

const scalarSummary = (scalars: Readonly<Record<string, number>>): Buffer =>
  Buffer.concat(
    Object.entries(scalars).map(([name, value]) =>
      bytesField(1, Buffer.concat([bytesField(1, name), floatField(2, value)])),
    ),
  );

/** Channels of PNG's colour types: grey, RGB, palette, grey with alpha, RGB with alpha. */
const channels: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 3, 4: 2, 6: 4 };

function imageSummary({ tag, png }: PngSummary): Buffer {
  // A PNG file begins with 8 bytes of signature and the chunk IHDR: length, name, width, height, bit depth, colour type.
  const { buffer, byteOffset, byteLength } = png;
  const header = new DataView(buffer, byteOffset, byteLength);
  const [width, height, colours] = [header.getUint32(16), header.getUint32(20), header.getUint8(25)];
  const image = [
    integerField(1, height),
    integerField(2, width),
    integerField(3, channels[colours] ?? 3),
    bytesField(4, png),
  ];
  return bytesField(1, Buffer.concat([bytesField(1, tag), bytesField(4, Buffer.concat(image))]));
}

/** Returns a record of a TFRecord file: its length and its bytes, each followed by their masked checksum. */
export function recordOf(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(bytes.length));
  return Buffer.concat([length, uint32(maskedCrc32c(length)), bytes, uint32(maskedCrc32c(bytes))]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
