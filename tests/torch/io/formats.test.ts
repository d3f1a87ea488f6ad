/** Files beside plain checkpoints: the index of several, and what is called by its name instead of being read. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { zipOf } from '../../long/zip-of.js';
import { convertFile } from '../../../src/cli/commands/convert/run.js';
import { inspectFile } from '../../../src/cli/commands/inspect/run.js';
import { saveImageGrid } from '../../../src/data/pictures/image-grid.js';
import * as torch from '../../../src/torch/index.js';
import * as nn from '../../../src/torch/nn/index.js';
import {
  CheckpointError,
  loadCheckpoint,
  savePytorch,
  saveSafetensors,
} from '../../../src/torch/io/index.js';

const root = mkdtempSync(join(tmpdir(), 'tessera-formats-'));
test.after.always(() => rmSync(root, { recursive: true, force: true }));

let folders = 0;
function fresh(): string {
  const folder = join(root, String(folders++));
  mkdirSync(folder);
  return folder;
}

/** A model in two files and an index of them. */
async function sharded(
  kind: 'safetensors' | 'bin',
  change: (map: Record<string, string>) => void = () => {},
) {
  const folder = fresh();
  const model = new nn.Sequential(new nn.Linear(3, 2), new nn.Linear(2, 1));
  const state = [...model.stateDict()];
  const names = [1, 2].map((n) => `model-0000${n}-of-00002.${kind}`);
  const map: Record<string, string> = {};
  for (const [i, name] of names.entries()) {
    const part = new Map(state.slice(2 * i, 2 * i + 2));
    for (const key of part.keys()) map[key] = name;
    if (kind === 'bin') await savePytorch(join(folder, name), part);
    else await saveSafetensors(join(folder, name), part);
  }
  change(map);
  const index = join(folder, `model.${kind}.index.json`);
  writeFileSync(index, JSON.stringify({ metadata: { total_size: 44 }, weight_map: map }, null, 2));
  return { folder, index, names, model, state: new Map(state) };
}

test('an index and its files are read as one checkpoint', async (t) => {
  for (const kind of ['safetensors', 'bin'] as const) {
    const { index, state, folder } = await sharded(kind);
    const checkpoint = await loadCheckpoint(index);
    t.deepEqual([...checkpoint.tensors.keys()], [...state.keys()]);
    t.is(checkpoint.format, kind === 'bin' ? 'pytorch-zip' : 'safetensors');
    t.deepEqual(checkpoint.metadata, { total_size: 44 });
    t.deepEqual(checkpoint.tensors.info('1.weight'), { shape: [1, 2], dtype: 'float32' });
    const into = new nn.Sequential(new nn.Linear(3, 2), new nn.Linear(2, 1));
    t.deepEqual(into.loadStateDict(checkpoint.tensors), { missing: [], unexpected: [] });
    for (const [key, tensor] of into.stateDict()) t.true(tensor.equal(state.get(key)!), key);
    const many = checkpoint.all.getMany(['1.bias', '0.bias', '1.weight']);
    t.deepEqual([...many.keys()], ['1.bias', '0.bias', '1.weight']);
    t.true(many.get('0.bias')!.equal(state.get('0.bias')!));
    checkpoint.close();
    t.throws(() => checkpoint.tensors.get('0.bias'), { message: /closed/ });
    const whole = join(folder, 'whole.safetensors');
    t.regex(await convertFile(index, whole, {}), /4 tensors/);
    t.true((await loadCheckpoint(whole)).tensors.get('1.weight')!.equal(state.get('1.weight')!));
    t.regex(await inspectFile(index, {}), /4 float32/);
  }
});

test('what is wrong with an index is said', async (t) => {
  const failing = async (index: string, message: RegExp) => {
    const error = await t.throwsAsync(loadCheckpoint(index), { instanceOf: CheckpointError, message });
    t.true(error.message.includes(index));
  };
  const { index, folder, names } = await sharded('safetensors');
  rmSync(join(folder, names[1]!));
  await failing(index, /lists 2 files, of which 1 are missing next to it: model-00002-of-00002\.safetensors/);
  writeFileSync(join(folder, names[1]!), 'version https://git-lfs.github.com/spec/v1\n');
  await t.throwsAsync(loadCheckpoint(index), {
    message: /model-00002-of-00002\.safetensors is a Git LFS pointer/,
  });
  const wrong: [(map: Record<string, string>) => void, RegExp][] = [
    [
      (map) => (map['0.weight'] = '../up.safetensors'),
      /"0\.weight" is in "\.\.\/up\.safetensors"; expected a file in the index's folder/,
    ],
    [(map) => (map['0.weight'] = '/etc/passwd'), /index's folder/],
    [(map) => (map['more'] = map['0.weight']!), /"more" is in model-00001.*no such tensor/],
    [(map) => (map['0.weight'] = 3 as never), /is in 3;/],
    [(map) => (map['0.weight'] = 'model.safetensors.index.json'), /contains no tensors|missing next to it/],
    [(map) => Object.keys(map).forEach((key) => delete map[key]), /lists no tensors/],
  ];
  for (const [change, message] of wrong) await failing((await sharded('safetensors', change)).index, message);
  await t.throwsAsync(loadCheckpoint(folder), {
    message: /is not a file; name the file itself: .*index\.json$/,
  });
});

const protobuf = '\x08\x07\x12\x07pytorch\x1a\x032.1';
const tar = (name: string) =>
  Buffer.concat([Buffer.from(name.padEnd(257, '\0')), Buffer.from('ustar'), Buffer.alloc(300)]);
const npy = { name: 'weight.npy', bytes: Buffer.from('\x93NUMPY', 'latin1') };

/** What files of other kinds are called. */
const others: [name: string, content: string | Buffer, expected: RegExp][] = [
  ['model.h5', '\x89HDF\r\n\x1a\n\0\0\0\0', /HDF5/],
  ['a.npy', '\x93NUMPY\x01\0v\0', /NumPy array \(\.npy\)/],
  ['a.npz', zipOf([npy]), /NumPy arrays \(\.npz\)/],
  ['a.keras', zipOf([{ name: 'model.weights.h5', bytes: Buffer.alloc(9) }]), /Keras/],
  ['a.pt2', zipOf([{ name: 'serialized_exported_program.json', bytes: Buffer.from('{}') }]), /torch\.export/],
  ['outer.zip', zipOf([{ name: 'last.ckpt', bytes: Buffer.alloc(9) }]), /unzip it and load "last\.ckpt"/],
  ['a.onnx', protobuf, /ONNX model/],
  ['saved_model.pb', '\x08\x01\x12\x30\x0a\x09', /protobuf/],
  ['a.gguf', 'GGUF\x03\0\0\0', /GGUF/],
  ['a.bin', 'lmgg\x01\0\0\0\0', /GGML/],
  ['a.msgpack', '\x81\xa6params\x82', /MessagePack/],
  ['a.tflite', '\x1c\0\0\0TFL3\0\0', /TensorFlow Lite/],
  ['a.t7', '\x04\0\0\0\x01\0\0\0\x03\0\0\0V 1\0', /Lua Torch/],
  ['model.ckpt.data-00000-of-00001', '\0\0\0\0', /TensorFlow checkpoint/],
  ['__0_0.distcp', 'PK\x03\x04', /dcp_to_torch/],
  ['a.tar', tar('weights/last.ckpt'), /tar file \(its first entry is "weights\/last\.ckpt"\); unpack/],
  ['old.pth', tar('sys_info'), /tar file, as torch\.save wrote before 2017/],
  ['a.tar.gz', '\x1f\x8b\x08\0', /gzip; unpack/],
  ['a.tar.bz2', 'BZh91AY', /bzip2/],
  ['a.xz', '\xfd7zXZ\0\0', /xz/],
  ['a.zst', '\x28\xb5\x2f\xfd\0', /zstd/],
  ['a.7z', '7z\xbc\xaf\x27\x1c', /7-Zip/],
  ['lfs.ckpt', 'version https://git-lfs.github.com/spec/v1\noid sha256:0\n', /git lfs pull/],
  ['page.ckpt', '\n<!DOCTYPE html><html>', /web page/],
  ['page2.ckpt', '<html><head>', /web page/],
  ['denied.ckpt', '<?xml version="1.0"?><Error><Code>AccessDenied', /XML \("<\?xml.*refused/],
  ['error.ckpt', '{"error": "Repository not found"}', /JSON \(.*Repository not found.*weight_map/],
  ['config.json', '{\n "target": "taming.models.vqgan.VQModel"\n}', /JSON/],
  ['list.json', '[1, 2, 3, 4, 5]', /JSON/],
  ['cut.json', '{"weight_map": {"a": ', /text/],
  ['config.yaml', 'model:\n  target: taming.models.vqgan.VQModel\n', /text \("model:"\)/],
  ['utf16.txt', Buffer.from('\ufeffhello there', 'utf16le'), /text \("hello there"\)/],
  ['utf16be.txt', Buffer.from('\ufeffhello', 'utf16le').swap16(), /text \("hello"\)/],
  ['utf16.json', Buffer.from('\ufeff{"error": "denied"}', 'utf16le'), /JSON \(.*denied/],
  ['empty.zip', `PK\x05\x06${'\0'.repeat(18)}`, /empty zip file/],
  ['zeros.ckpt', '\0'.repeat(99), /begins with 99 zeros.*is the copy complete/],
  [
    'model.index',
    '\0\0\x01\x0a\0\0\0\0\x02',
    /begins with the bytes 00 00 01 0a 00 00 00 00, which is neither/,
  ],
  ['a.png', '\x89PNG\r\n\x1a\n', /PNG image/],
  ['a.jpg', '\xff\xd8\xff\xe0', /JPEG image/],
  ['a.pdf', '%PDF-1.7\n', /PDF/],
];

test('files of other kinds are called by their names', async (t) => {
  const folder = fresh();
  for (const [name, content, expected] of others) {
    const path = join(folder, name);
    writeFileSync(path, typeof content === 'string' ? Buffer.from(content, 'latin1') : content);
    const error = await t.throwsAsync(loadCheckpoint(path), { instanceOf: CheckpointError }, name);
    t.regex(error.message, expected, name);
    t.true(error.message.includes(path), name);
  }
});

test('a pipe is no checkpoint, and not waited for', async (t) => {
  const pipe = join(fresh(), 'pipe.ckpt');
  execFileSync('mkfifo', [pipe]);
  await t.throwsAsync(loadCheckpoint(pipe), { message: /pipe\.ckpt is not a file/ });
});

test('a name that Node could not read is said to be one', async (t) => {
  await t.throwsAsync(loadCheckpoint(join(fresh(), 'caf\ufffd.pt')), {
    message: /not UTF-8: rename the file/,
  });
});

test('a file in a folder that does not exist names the folder, not a temporary file', async (t) => {
  const folder = fresh();
  const missing = join(folder, 'no', 'such');
  const source = join(folder, 'a.safetensors');
  await saveSafetensors(source, { a: torch.ones([2]) });
  const writes: [string, (path: string) => Promise<unknown>][] = [
    ['m.safetensors', (path) => saveSafetensors(path, { a: torch.ones([2]) })],
    ['m.pt', (path) => savePytorch(path, { a: torch.ones([2]) })],
    ['m2.safetensors', (path) => convertFile(source, path, {})],
    ['grid.png', (path) => saveImageGrid(path, torch.zeros([1, 3, 4, 4]))],
  ];
  for (const [name, write] of writes) {
    const path = join(missing, name);
    const error = await t.throwsAsync(write(path));
    t.is(
      error.message,
      `cannot write ${path}: there is no folder ${missing}; make it first: mkdir -p ${missing}`,
    );
    t.is((error as NodeJS.ErrnoException).code, 'ENOENT');
    await t.throwsAsync(write(join(source, name)), { message: /a\.safetensors is not a folder/ });
  }
  mkdirSync(join(folder, 'taken.pt'));
  await t.throwsAsync(savePytorch(join(folder, 'taken.pt'), {}), {
    message: /taken\.pt is a folder; name a file/,
  });
});
