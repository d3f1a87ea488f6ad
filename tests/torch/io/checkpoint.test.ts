import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  lstatSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import * as torch from '../../../src/torch/index.js';
import type { DType, Tensor } from '../../../src/torch/index.js';
import { CheckpointError, loadCheckpoint, saveSafetensors } from '../../../src/torch/io/index.js';
import type { CheckpointProblem } from '../../../src/torch/io/index.js';
import * as nn from '../../../src/torch/nn/index.js';

const folder = mkdtempSync(join(tmpdir(), 'tessera-io-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
const fresh = (extension = 'safetensors'): string => join(folder, `${files++}.${extension}`);

const rawBytes = (tensor: Tensor): Buffer => {
  const values = tensor.toTypedArray();
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength);
};

const dtypes: DType[] = [
  'float64',
  'float32',
  'float16',
  'bfloat16',
  'int64',
  'int32',
  'int16',
  'int8',
  'uint8',
  'bool',
  'complex64',
  'uint16',
  'uint32',
  'uint64',
  'float8_e4m3fn',
  'float8_e5m2',
];

test('every dtype comes back as it was', async (t) => {
  const path = fresh();
  const tensors = new Map<string, Tensor>(
    dtypes.map((dtype, i) => [
      dtype,
      torch
        .arange(i + 1)
        .sub(3)
        .abs()
        .reshape([1, i + 1])
        .to(dtype),
    ]),
  );
  tensors.set('scalar', torch.tensor(2.5));
  tensors.set('empty', torch.zeros([0, 3]));
  await saveSafetensors(path, tensors, { metadata: { format: 'pt', ключ: '值' } });
  const checkpoint = await loadCheckpoint(path);
  t.deepEqual({ ...checkpoint.metadata }, { format: 'pt', ключ: '值' });
  t.deepEqual([...checkpoint.all.keys()].sort(), [...tensors.keys()].sort());
  for (const [name, tensor] of tensors) {
    const read = checkpoint.tensors.get(name) as Tensor;
    t.is(read.dtype, tensor.dtype);
    t.deepEqual(read.shape, tensor.shape);
    t.deepEqual(checkpoint.tensors.info(name), { shape: tensor.shape, dtype: tensor.dtype });
    t.deepEqual(rawBytes(read), rawBytes(tensor), name);
  }
  checkpoint.close();
});

test('views, transposes and shared storage are written by value', async (t) => {
  const path = fresh();
  const base = torch.arange(24).reshape([4, 6]);
  const views = {
    base,
    rows: base.narrow(0, 1, 2),
    transposed: base.t(),
    expanded: torch.ones([1]).expand([3]),
  };
  await saveSafetensors(path, views);
  const { tensors } = await loadCheckpoint(path);
  for (const [name, view] of Object.entries(views))
    t.deepEqual(tensors.get(name)?.tolist(), view.tolist(), name);
});

test('tensors larger than a chunk', async (t) => {
  const path = fresh();
  const large = torch.randn([2_500_000]);
  const told: number[] = [];
  const onProgress = (done: number, total: number) => (t.is(total, 1e7 + 3), told.push(done));
  await saveSafetensors(path, { pad: torch.ones([3], { dtype: 'uint8' }), large }, { onProgress });
  t.true(told.length > 10 && told.every((done, i) => i === 0 || done > told[i - 1]!));
  t.deepEqual([told[0], told.at(-1)], [0, 1e7 + 3]);
  const { tensors } = await loadCheckpoint(path);
  const read: number[] = [];
  t.true(
    tensors
      .watched((bytes) => read.push(bytes))
      .get('large')
      ?.equal(large),
  );
  t.deepEqual(read, [1e7]);
});

test('the map is read-only, lazy and in file order', async (t) => {
  const path = fresh();
  await saveSafetensors(
    path,
    new Map([
      ['b', torch.ones([2])],
      ['a', torch.zeros([1])],
      ['1', torch.ones([1])],
    ]),
  );
  const { tensors, all, close } = await loadCheckpoint(path);
  t.deepEqual([...tensors.keys()], ['b', 'a', '1']);
  t.is(tensors.size, 3);
  t.true(tensors.has('a'));
  t.false(tensors.has('c'));
  t.is(tensors.get('c'), undefined);
  t.is(tensors.info('c'), undefined);
  t.false('set' in tensors);
  t.not(tensors.get('a'), tensors.get('a'), 'each get reads anew');
  t.deepEqual(
    [...tensors].map(([key, value]) => [key, value.tolist()]),
    [
      ['b', [1, 1]],
      ['a', [0]],
      ['1', [1]],
    ],
  );
  t.deepEqual(
    [...tensors.values()].map((value) => value.numel()),
    [2, 1, 1],
  );
  t.deepEqual([...all.getMany(['a', 'b', 'x']).keys()], ['a', 'b']);
  const seen: string[] = [];
  all.forEach((_, key) => seen.push(key));
  t.deepEqual(seen, ['b', 'a', '1']);
  const scoped = torch.scope(() => [tensors.get('a') as Tensor][0] as Tensor);
  t.false(scoped.disposed);
  let inner: Tensor | undefined;
  torch.scope(() => {
    inner = tensors.get('a');
  });
  t.true(inner?.disposed, 'a tensor of the scope it was read in');
  close();
  close();
  t.deepEqual(tensors.info('a'), { shape: [1], dtype: 'float32' });
  t.throws(() => tensors.get('a'), { instanceOf: CheckpointError, message: /was closed/ });
});

test('a checkpoint is closed at the end of a using block', async (t) => {
  const path = fresh();
  await saveSafetensors(path, new Map([['a', torch.ones([2])]]));
  const opened = await loadCheckpoint(path);
  {
    using checkpoint = opened;
    t.deepEqual(checkpoint.tensors.get('a')!.tolist(), [1, 1]);
  }
  t.throws(() => opened.tensors.get('a'), { instanceOf: CheckpointError, message: /was closed/ });
});

test('the part below state_dict', async (t) => {
  const path = fresh();
  await saveSafetensors(path, { 'state_dict.a.b': torch.ones([1]), other: torch.zeros([1]) });
  const { tensors, all } = await loadCheckpoint(path);
  t.deepEqual([...tensors.keys()], ['a.b']);
  t.deepEqual(tensors.get('a.b')?.tolist(), [1]);
  t.deepEqual([...all.keys()].sort(), ['other', 'state_dict.a.b']);
});

test('a model is read straight into its parameters', async (t) => {
  const path = fresh();
  const make = (): nn.Module => new nn.Sequential(new nn.Conv2d(3, 4, 3), new nn.BatchNorm2d(4));
  const model = make();
  await saveSafetensors(path, model.stateDict());
  const { tensors } = await loadCheckpoint(path);
  const other = nn.skipInit(make);
  const before = torch.memory().tensors;
  t.deepEqual(other.loadStateDict(tensors), { missing: [], unexpected: [] });
  t.is(torch.memory().tensors, before);
  for (const [key, tensor] of other.stateDict())
    t.true(tensor.equal(model.stateDict().get(key) as Tensor), key);
  const wider = make().to('float64');
  wider.loadStateDict(tensors);
  t.deepEqual(
    (wider.stateDict().get('0.bias') as Tensor).tolist(),
    (model.stateDict().get('0.bias') as Tensor).tolist(),
  );
});

test('files that are no checkpoints', async (t) => {
  const faulty = async (
    content: string | Uint8Array,
    expected: { problem: CheckpointProblem; message?: RegExp },
  ): Promise<void> => {
    const path = fresh('bin');
    writeFileSync(path, content);
    const error = await t.throwsAsync(loadCheckpoint(path), { instanceOf: CheckpointError });
    t.is(error.problem, expected.problem);
    t.true(error?.message.includes(path));
    if (expected.message) t.regex(error?.message ?? '', expected.message);
  };
  await faulty('', { problem: 'truncated', message: /empty/ });
  await faulty('abc', { problem: 'header-too-small' });
  await faulty('PK\x03\x04 and more of a zip file', {
    problem: 'truncated',
    message: /no directory at its end/,
  });
  await faulty(new Uint8Array([0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a]), {
    problem: 'truncated',
    message: /byte 4/,
  });
  await faulty('version https://git-lfs.github.com/spec/v1\n', {
    problem: 'unknown-format',
    message: /git lfs pull/,
  });
  await faulty(Uint8Array.of(0x1f, 0x8b, 8, 0), { problem: 'unknown-format', message: /gzip/ });
  await faulty(Buffer.concat([Buffer.alloc(257, 'a'), Buffer.from('ustar'), Buffer.alloc(300)]), {
    problem: 'unsupported-format',
    message: /tar file/,
  });
  await faulty('<!DOCTYPE html><html></html>', { problem: 'unknown-format', message: /web page/ });
  await faulty('hello, this is a text file\n', {
    problem: 'unknown-format',
    message: /is text \("hello, this/,
  });
  await t.throwsAsync(loadCheckpoint(join(folder, 'missing')), { message: /cannot open.*missing/ });
  await t.throwsAsync(loadCheckpoint(folder), { message: /is not a file|EISDIR/ });
});

test('headers whose length looks like another format', async (t) => {
  // The first bytes are 80 02, as a pickle's, and 3c, as a web page's.
  for (const length of [0x280, 0x23c]) {
    const path = fresh();
    const json = Buffer.from('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}');
    const header = Buffer.alloc(8 + length + 1, ' ');
    header.writeBigUInt64LE(BigInt(length));
    json.copy(header, 8);
    header[8 + length] = 7;
    writeFileSync(path, header);
    t.deepEqual((await loadCheckpoint(path)).tensors.get('a')?.tolist(), [7]);
  }
});

test('a file cut off while open is an error, not zeros', async (t) => {
  const path = fresh();
  await saveSafetensors(path, { a: torch.ones([1000]) });
  const { tensors } = await loadCheckpoint(path);
  truncateSync(path, 500);
  t.throws(() => tensors.get('a'), { instanceOf: CheckpointError, message: /ends at byte 500/ });
});

test('dtypes that tensors cannot hold are listed but not read', async (t) => {
  const path = fresh();
  const json = '{"a":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}}';
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(BigInt(json.length));
  writeFileSync(path, Buffer.concat([start, Buffer.from(json), Buffer.from([1])]));
  const { tensors } = await loadCheckpoint(path);
  t.true(tensors.has('a'));
  t.throws(() => tensors.get('a'), { message: /F4/ });
});

test('saving is atomic', async (t) => {
  const own = mkdtempSync(join(folder, 'atomic-'));
  const path = join(own, 'model.safetensors');
  await saveSafetensors(path, { a: torch.ones([3]) });
  const before = readFileSync(path);
  const gone = torch.ones([3]);
  gone.dispose();
  await t.throwsAsync(saveSafetensors(path, { a: torch.zeros([3]), gone }));
  await t.throwsAsync(saveSafetensors(path, { z: torch.zeros([1]).to('complex128') }), {
    message: /complex128/,
  });
  await t.throwsAsync(saveSafetensors(path, { z: torch.zeros([1], { device: 'meta' }) }));
  await t.throwsAsync(saveSafetensors(path, { __metadata__: torch.zeros([1]) }), { message: /__metadata__/ });
  await t.throwsAsync(saveSafetensors(path, { '\ud800': torch.zeros([1]) }), { message: /Unicode/ });
  await t.throwsAsync(saveSafetensors(path, { a: 1 as unknown as Tensor }), { message: /not a tensor/ });
  await t.throwsAsync(saveSafetensors(path, {}, { metadata: { a: 1 as unknown as string } }), {
    message: /not a string/,
  });
  await t.throwsAsync(saveSafetensors(join(own, 'missing', 'x'), {}));
  t.deepEqual(readdirSync(own), ['model.safetensors']);
  t.deepEqual(readFileSync(path), before);
});

test('the values are those of the moment of the call', async (t) => {
  const path = fresh();
  const a = torch.ones([3]);
  const pending = saveSafetensors(path, { a });
  a.zero_();
  await pending;
  t.deepEqual((await loadCheckpoint(path)).tensors.get('a')?.tolist(), [1, 1, 1]);
});

test('a link is written through', async (t) => {
  const path = fresh();
  await saveSafetensors(path, { a: torch.zeros([1]) });
  const link = fresh();
  symlinkSync(path, link);
  await saveSafetensors(link, { a: torch.ones([1]) });
  t.true(lstatSync(link).isSymbolicLink());
  t.deepEqual((await loadCheckpoint(path)).tensors.get('a')?.tolist(), [1]);
});

test('tensors of another file take the place of those with their names', async (t) => {
  const [under, over] = [fresh(), fresh()];
  await saveSafetensors(under, new Map(['a', 'b', 'c'].map((key, i) => [key, torch.full([2], i)])));
  await saveSafetensors(over, new Map(Object.entries({ b: torch.full([3], 7), d: torch.full([1], 8) })));
  using first = await loadCheckpoint(under);
  using second = await loadCheckpoint(over);
  const both = first.tensors.overlaidBy(second.tensors);
  t.deepEqual([...both.keys()], ['a', 'b', 'c'], 'no key is added');
  t.deepEqual(both.info('b')?.shape, [3]);
  t.deepEqual(both.get('b')!.tolist(), [7, 7, 7]);
  t.deepEqual(
    [...both.getMany(['c', 'b', 'a'])].map(([key, tensor]) => [key, tensor.tolist()]),
    [
      ['c', [2, 2]],
      ['b', [7, 7, 7]],
      ['a', [0, 0]],
    ],
  );
  const into = torch.zeros([3]);
  both.below('').readInto('b', into);
  t.deepEqual(into.tolist(), [7, 7, 7]);
});
