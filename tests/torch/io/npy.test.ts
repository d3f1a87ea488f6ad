import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { testProp, fc } from '@fast-check/ava';
import * as torch from '../../../src/torch/index.js';
import { CheckpointError, loadNpy, saveNpy } from '../../../src/torch/io/index.js';
import { parseNpy } from '../../../src/torch/io/npy.js';

interface Case {
  file: string;
  shape: number[];
  values: number[];
}

const cases = JSON.parse(readFileSync(new URL('../../fixtures/npy.json', import.meta.url), 'utf8')) as Record<
  string,
  Case
>;
const folder = mkdtempSync(join(tmpdir(), 'tessera-npy-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

const bytesOf = (name: string): Buffer => Buffer.from(cases[name]!.file, 'base64');

for (const [name, { shape, values }] of Object.entries(cases)) {
  test(`an array that numpy.save wrote is read as it was: ${name}`, (t) => {
    const tensor = parseNpy(bytesOf(name), name);
    t.deepEqual(tensor.shape, shape);
    t.deepEqual([tensor.to('float64').flatten().tolist()].flat(), values);
  });
}

for (const name of ['u1', 'i2', 'u4', 'i8', 'f2', 'f4', 'f8', 'booleans', 'no dimensions', 'one dimension']) {
  test(`what is written equals the file of numpy.save: ${name}`, async (t) => {
    const path = join(folder, `${name}.npy`);
    await saveNpy(path, parseNpy(bytesOf(name), name));
    const written = readFileSync(path);
    const header = (bytes: Buffer) => bytes.toString('latin1', 10, 10 + bytes.readUInt16LE(8)).trim();
    t.is(header(written), header(bytesOf(name)));
    t.deepEqual(written.subarray(128), bytesOf(name).subarray(128));
    t.deepEqual((await loadNpy(path)).tolist(), parseNpy(bytesOf(name), name).tolist());
  });
}

test('a transposed tensor is written row by row', async (t) => {
  const path = join(folder, 'transposed.npy');
  const tensor = torch.arange(6).view([2, 3]).t();
  await saveNpy(path, tensor);
  t.deepEqual((await loadNpy(path)).tolist(), [
    [0, 3],
    [1, 4],
    [2, 5],
  ]);
});

const damaged: [string, (bytes: Buffer) => Uint8Array, RegExp][] = [
  ['other bytes', () => Buffer.from('PK\x03\x04'), /x\.npy is not a NumPy array/],
  ['an unknown version', (bytes) => (bytes.writeUInt8(9, 6), bytes), /has version 9 of NumPy's format/],
  ['a cut header', (bytes) => bytes.subarray(0, 40), /ends within its header/],
  [
    'missing elements',
    (bytes) => bytes.subarray(0, -1),
    /has 47 bytes of elements; \[2, 3\] of int64 takes 48/,
  ],
  ['more elements', (bytes) => Buffer.concat([bytes, bytes]), /bytes of elements/],
  ['objects', (bytes) => replaced(bytes, '<i8', '|O8'), /elements of the type \|O8/],
  ['text', (bytes) => replaced(bytes, '<i8', '<U2'), /elements of the type <U2/],
  ['no shape', (bytes) => replaced(bytes, "'shape'", "'shaqe'"), /without the order or the shape/],
];

function replaced(bytes: Buffer, from: string, to: string): Buffer {
  bytes.write(to, bytes.indexOf(from), 'latin1');
  return bytes;
}

for (const [what, damage, message] of damaged) {
  test(`a damaged file is refused: ${what}`, (t) => {
    t.throws(() => parseNpy(damage(bytesOf('i8')), 'x.npy'), { instanceOf: CheckpointError, message });
  });
}

testProp(
  'a file with changed bytes is read or refused, and nothing else',
  [fc.constantFrom(...Object.keys(cases)), fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 8 })],
  (t, name, changes) => {
    const bytes = bytesOf(name);
    for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
    try {
      parseNpy(bytes, name).dispose();
    } catch (error) {
      t.true(error instanceof CheckpointError, String(error));
    }
    t.pass();
  },
);

test('bfloat16, which NumPy does not have, is refused with what to do', async (t) => {
  const path = join(folder, 'none.npy');
  await t.throwsAsync(saveNpy(path, torch.zeros([2], { dtype: 'bfloat16' })), {
    message: /no element type for bfloat16; convert it first/,
  });
});

test('a file that does not exist is an error of the system', async (t) => {
  writeFileSync(join(folder, 'here'), '');
  await t.throwsAsync(loadNpy(join(folder, 'not-here.npy')), { code: 'ENOENT' });
});
