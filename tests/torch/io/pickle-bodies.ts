/** Pickles written by hand. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { zipOf } from '../../long/zip-of.js';
import { loadCheckpoint } from '../../../src/torch/io/index.js';

/** For this file's tests. */
export const folder = mkdtempSync(join(tmpdir(), 'tessera-pickles-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;

/** A zip file with this pickle (protocol 2, without its end) and one storage of four floats, 0 to 3. */
export async function openPickle(body: string) {
  const path = join(folder, `${files++}.pt`);
  const storage = Buffer.from(Float32Array.of(0, 1, 2, 3).buffer);
  const pickle = Buffer.from(`\x80\x02${body}.`, 'latin1');
  writeFileSync(
    path,
    zipOf([
      { name: 'a/data.pkl', bytes: pickle },
      { name: 'a/data/0', bytes: storage },
    ]),
  );
  return loadCheckpoint(path);
}

export const text = (value: string): string => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value.length);
  return `X${bytes.toString('latin1')}${value}`;
};
const storage = `(${text('storage')}ctorch\nFloatStorage\n${text('0')}${text('cpu')}K\x04tQ`;
/** A tensor of so many of the storage's elements. */
export const tensor = (size: number): string =>
  `ctorch._utils\n_rebuild_tensor_v2\n(${storage}K\x00K${String.fromCharCode(size)}\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtR`;
