/** Reads event files as far as the tests need it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { maskedCrc32c } from '../../../src/reports/tensorboard/crc32c.js';

export interface ReadEvent {
  step: number;
  /** Kind of the event: `version`, `restart`, or the tag of a scalar or an image. */
  what: string;
  value?: number;
  image?: { width: number; height: number; bytes: Buffer };
}

/** Events of all files in the folder, in order; fails for a wrong checksum. */
export function eventsIn(folder: string): ReadEvent[] {
  return readdirSync(folder)
    .sort()
    .flatMap((name) => recordsIn(readFileSync(join(folder, name))).flatMap(eventOf));
}

function recordsIn(file: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < file.length;) {
    const length = Number(file.readBigUInt64LE(at));
    const data = file.subarray(at + 12, at + 12 + length);
    if (file.readUInt32LE(at + 8) !== maskedCrc32c(file.subarray(at, at + 8))) throw new Error('length');
    if (file.readUInt32LE(at + 12 + length) !== maskedCrc32c(data)) throw new Error('data');
    records.push(data);
    at += 16 + length;
  }
  return records;
}

type Fields = Map<number, (number | Buffer)[]>;

/** Fields of a protobuf message: integers and floats as numbers, the rest as bytes. */
function fieldsOf(message: Buffer): Fields {
  const fields: Fields = new Map();
  let at = 0;
  const varint = () => {
    let [value, scale] = [0, 1];
    for (;;) {
      const byte = message[at++]!;
      value += (byte % 128) * scale;
      if (byte < 128) return value;
      scale *= 128;
    }
  };
  while (at < message.length) {
    const tag = varint();
    const field = tag >> 3;
    let value: number | Buffer;
    if (tag % 8 === 0) value = varint();
    else if (tag % 8 === 1) [value, at] = [message.readDoubleLE(at), at + 8];
    else if (tag % 8 === 5) [value, at] = [message.readFloatLE(at), at + 4];
    else {
      const length = varint();
      [value, at] = [message.subarray(at, at + length), at + length];
    }
    fields.set(field, [...(fields.get(field) ?? []), value]);
  }
  return fields;
}

function eventOf(record: Buffer): ReadEvent[] {
  const fields = fieldsOf(record);
  const step = (fields.get(2)?.[0] as number | undefined) ?? 0;
  if (fields.has(3)) return [{ step, what: 'version' }];
  if (fields.has(7)) return [{ step, what: 'restart' }];
  const summary = fieldsOf(fields.get(5)![0] as Buffer);
  return (summary.get(1) ?? []).map((bytes) => {
    const value = fieldsOf(bytes as Buffer);
    const what = String(value.get(1)![0]);
    const image = value.get(4)?.[0] as Buffer | undefined;
    if (!image) return { step, what, value: value.get(2)![0] as number };
    const [height, width, , png] = [1, 2, 3, 4].map((field) => fieldsOf(image).get(field)![0]);
    return {
      step,
      what,
      image: { width: width as number, height: height as number, bytes: png as Buffer },
    };
  });
}
