import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import * as torch from '../../../src/torch/index.js';
import type { DType, Tensor } from '../../../src/torch/index.js';
import {
  CheckpointError,
  loadCheckpoint,
  savePytorch,
  saveSafetensors,
} from '../../../src/torch/io/index.js';
import type { CheckpointProblem } from '../../../src/torch/io/index.js';
import * as nn from '../../../src/torch/nn/index.js';
import { attacks } from '../../long/checkpoint-attacks.js';
import { partsOf, zipOf } from '../../long/zip-of.js';
import { differences, elementBytes, madeByPytorch } from './made-by-pytorch.js';

const fixtures = fileURLToPath(new URL('../../fixtures/checkpoints/', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'tessera-pytorch-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

const open = (name: string) => loadCheckpoint(join(fixtures, name));

test('files that PyTorch wrote have the values PyTorch gives them', async (t) => {
  const names = madeByPytorch(fixtures);
  t.true(names.length >= 25);
  for (const name of names) t.deepEqual(await differences(fixtures, name), [], name);
});

/** A Python with torch, where there is one: `python3`, or the one TESSERA_PYTHON names. */
async function python(...args: string[]): Promise<string | null> {
  const command = process.env['TESSERA_PYTHON'] ?? 'python3';
  const run = promisify(execFile);
  const present = await run(command, ['-c', 'import torch, numpy, safetensors']).then(
    () => true,
    () => false,
  );
  return present ? (await run(command, args)).stdout : null;
}

test('with a Python that has torch: more files than are committed, and files of ours in PyTorch', async (t) => {
  t.timeout(120_000);
  const made = join(folder, 'made');
  const script = fileURLToPath(new URL('../../fixtures/make/checkpoints.py', import.meta.url));
  const output = await python(script, made);
  if (output === null) {
    t.pass('no Python with torch here; set TESSERA_PYTHON to one');
    return;
  }
  t.true(Number(output) >= 40);
  for (const name of madeByPytorch(made)) t.deepEqual(await differences(made, name), [], name);
  // And back: everything written by us, read by torch.load(weights_only=True) and safetensors.
  const ours = join(folder, 'ours.pt');
  const plain = join(folder, 'ours.safetensors');
  const tensors = everyDtype();
  await savePytorch(ours, {
    tensors,
    views: views(),
    step: 5,
    name: 'ü',
    list: [1.5, null, true, 2n ** 70n],
  });
  await saveSafetensors(plain, { ...tensors, ...views() });
  const check = `
import sys, torch, safetensors.torch
x = torch.load(sys.argv[1], weights_only=True)
y = safetensors.torch.load_file(sys.argv[2])
assert (x['step'], x['name'], x['list']) == (5, 'ü', [1.5, None, True, 2**70])
v = x['views']
assert v['base'].untyped_storage().data_ptr() == v['turned'].untyped_storage().data_ptr()
assert v['turned'].stride() == (1, 6) and v['part'].untyped_storage().nbytes() == 20
for k, t in {**x['tensors'], **v}.items():
    assert t.dtype == y[k].dtype and t.shape == y[k].shape, k
    a, b = (z.contiguous().clone().view(torch.uint8) if z.numel() else z for z in (t, y[k]))
    assert torch.equal(a, b), k
    if t.numel(): print(k, t.to(torch.float64).flatten().tolist())
`;
  const printed = (await python('-c', check, ours, plain))!.trim().split('\n');
  const expected = { ...tensors, ...views() };
  t.is(printed.length, Object.keys(expected).length);
  for (const line of printed) {
    const [key] = line.split(' ', 1) as [string];
    t.deepEqual(JSON.parse(line.slice(key.length)), expected[key]!.to('float64').flatten().tolist(), key);
  }
});

const dtypes: DType[] = [
  ...([
    'float32',
    'float64',
    'float16',
    'bfloat16',
    'int64',
    'int32',
    'int16',
    'int8',
    'uint8',
    'bool',
  ] as const),
  ...(['uint16', 'uint32', 'uint64', 'float8_e4m3fn', 'float8_e5m2'] as const),
];

function everyDtype(): Record<string, Tensor> {
  return Object.fromEntries(dtypes.map((dtype) => [dtype, torch.arange(5).to(dtype)]));
}

function views(): Record<string, Tensor> {
  const base = torch.arange(24).reshape([4, 6]);
  const part = torch.arange(100).narrow(0, 3, 5);
  return {
    base,
    turned: base.t(),
    rows: base.narrow(0, 1, 2),
    part,
    repeated: torch.ones([1, 3]).expand([4, 3]),
  };
}

test('what is written is read again', async (t) => {
  const path = join(folder, 'again.pt');
  const tensors = { ...everyDtype(), complex: torch.ones([2], { dtype: 'complex64' }).conj(), ...views() };
  const values = {
    numbers: [0, 255, 256, -1, 2 ** 31, -(2 ** 31), 2 ** 40, 1.5, -0, Infinity, 2n ** 64n, -(2n ** 70n)],
    text: 'ü\n',
    nothing: null,
    yes: true,
    bytes: Uint8Array.of(0, 255),
    empty: {},
  };
  await savePytorch(path, {
    state_dict: tensors,
    values,
    sparse: torch.eye(3).toSparse(),
    empty: torch.zeros([0, 2]),
  });
  const back = await loadCheckpoint(path);
  t.is(back.format, 'pytorch-zip');
  t.deepEqual(back.metadata, { values });
  t.deepEqual([...back.tensors.keys()], Object.keys(tensors));
  for (const [key, tensor] of Object.entries(tensors)) {
    t.deepEqual(back.tensors.get(key)!.tolist(), tensor.tolist(), key);
  }
  t.deepEqual(back.all.get('sparse')!.tolist(), torch.eye(3).tolist());
  t.deepEqual(back.all.info('empty'), { shape: [0, 2], dtype: 'float32' });
  const shared = back.tensors.getMany(['base', 'turned']);
  shared.get('base')!.fill_(7);
  t.is(Number(shared.get('turned')!.max().item()), 7);
  back.close();
  await t.throwsAsync(savePytorch(path, { a: { b: () => {} } }), { message: /"a\.b".*function/ });
});

test('the maps are lazy, and views share memory within one getMany', async (t) => {
  for (const name of ['views.pt', 'views-legacy.pt', 'views-legacy-cuda.pt']) {
    const { tensors, all, close } = await open(name);
    t.deepEqual([...tensors.keys()], ['a', 'b', 'c', 'd', 'e', 'f', 'g']);
    t.is(all.size, 7);
    t.deepEqual(tensors.info('c'), { shape: [6, 4], dtype: 'float32' });
    t.deepEqual(tensors.get('c')!.strides, [1, 6]);
    t.is(tensors.get('nothing'), undefined);
    const many = tensors.getMany(['a', 'b', 'c', 'nothing', 'e']);
    t.deepEqual([...many.keys()], ['a', 'b', 'c', 'e']);
    many.get('b')!.fill_(-1);
    t.is(many.get('a')!.at(1, 0).item(), -1);
    t.is(many.get('c')!.at(0, 2).item(), -1);
    t.is(tensors.get('a')!.at(1, 0).item(), 6, 'read anew');
    t.deepEqual(tensors.get('d')!.tolist(), [
      [1, 1],
      [1, 1],
    ]);
    t.false(tensors.get('d')!.requiresGrad);
    t.deepEqual(tensors.get('f')!.tolist(), true);
    t.deepEqual(tensors.get('g')!.shape, [0, 3]);
    t.is(tensors.get('a')!.device, 'cpu');
    close();
    t.throws(() => tensors.get('a'), { instanceOf: CheckpointError, message: /closed/ });
  }
});

test('what else is in the file comes as plain values', async (t) => {
  const lightning = await open('lightning.ckpt');
  t.is(lightning.metadata['global_step'], 1234);
  t.deepEqual(lightning.metadata['callbacks'], {
    'pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint': {
      best_model_path: 'logs/best.ckpt',
      current: 0.5,
    },
  });
  t.deepEqual(lightning.metadata['optimizer_states'], [
    { state: { 0: { step: 5 } }, param_groups: [{ lr: 1e-4, betas: [0.9, 0.95], params: [0] }] },
  ]);
  t.true(lightning.tensors.has('transformer.pos_emb'));
  t.true(lightning.all.has('state_dict.transformer.pos_emb'));
  lightning.close();
  const { metadata } = await open('plain-zip.pt');
  t.deepEqual((metadata['integers'] as unknown[]).slice(9), [
    2n ** 53n,
    -(2n ** 53n),
    2n ** 63n,
    -(2n ** 64n),
    2n ** 200n,
  ]);
  t.deepEqual(metadata['floats'], [0, -0, 1.5, 1e308, 5e-324, Infinity, -Infinity, NaN]);
  t.deepEqual((metadata['texts'] as string[]).slice(2, 5), ['ü', '漢字', '🎨']);
  t.deepEqual(metadata['bytes'], Uint8Array.of(0, 255, 32, 97, 98, 99));
  t.deepEqual(metadata['object'], { global: '__main__.Settings', state: { rate: 0.5 } });
  t.deepEqual(metadata['circular'], [1, '[Circular]']);
  t.deepEqual(metadata['nested'], { a: { b: [null, 5] } });
  t.is((metadata['keys'] as Record<string, unknown>)['__main__.Settings'], 'class');
  t.true(Object.hasOwn(metadata, '__proto__'));
  t.deepEqual(
    [metadata['device'], metadata['dtype'], metadata['size']],
    ['cuda:1', 'torch.bfloat16', [2, 3]],
  );
  const { metadata: settings } = await open('lightning-legacy.pt');
  t.deepEqual(settings['hyper_parameters'], { rate: 4.5e-6, layers: [1, 2], flag: true, nothing: null });
  const { metadata: arrays } = await open('arrays-zip.pt');
  t.deepEqual(arrays['columns'], { dtype: 'int16', shape: [2, 3], data: Int16Array.of(0, 1, 2, 3, 4, 5) });
  t.deepEqual(arrays['big'], { dtype: 'int32', shape: [3], data: Int32Array.of(0, 1, 2) });
  t.deepEqual([arrays['int'], arrays['flag'], arrays['bigScalar']], [-5, true, 2.5]);
});

test('a model loads straight from the file, whatever the layout in it', async (t) => {
  const linear = new nn.Linear(3, 2);
  const { all, close } = await open('optimizer-zip.pt');
  const result = linear.loadStateDict(all.below('model.'));
  t.deepEqual(result, { missing: [], unexpected: [] });
  t.true(linear.weight.equal(all.get('model.weight')!));
  t.deepEqual([...all.without('optimizer.', 'generator').keys()], ['model.weight', 'model.bias']);
  close();
  const views = await open('views.pt');
  const into = torch.empty([6, 4]);
  views.tensors.readInto('c', into);
  t.true(into.equal(views.tensors.get('c')!));
});

test('attacks end in a typed error or harmless values, and run nothing', async (t) => {
  const canary = join(folder, 'executed');
  const path = join(folder, 'attack');
  for (const { name, bytes } of attacks(canary)) {
    writeFileSync(path, bytes);
    try {
      const { all, close } = await loadCheckpoint(path);
      torch.scope(() => void all.getMany(all.keys()));
      close();
    } catch (error) {
      t.true(error instanceof torch.TorchError, `${name}: ${String(error)}`);
    }
    t.false(existsSync(canary), name);
  }
  t.is(({} as { polluted?: unknown }).polluted, undefined);
});

test('errors tell the byte or the entry', async (t) => {
  const whole = readFileSync(join(fixtures, 'views.pt'));
  const path = join(folder, 'broken.pt');
  const failing = async (bytes: Buffer, problem: CheckpointProblem, message: RegExp) => {
    writeFileSync(path, bytes);
    const error = await t.throwsAsync(
      async () => {
        const { all } = await loadCheckpoint(path);
        all.getMany(all.keys());
      },
      { instanceOf: CheckpointError, message },
    );
    t.is(error.problem, problem);
    t.true(error.message.includes(path), 'the file is named');
  };
  const parts = partsOf(whole);
  const changed = (name: RegExp, change: (bytes: Buffer) => Buffer) =>
    zipOf(
      parts.map((part) =>
        name.test(part.name) ? { ...part, bytes: change(Buffer.from(part.bytes)) } : part,
      ),
    );
  await failing(whole.subarray(0, -30), 'truncated', /directory at its end/);
  await failing(
    changed(/data\.pkl$/, (b) => b.subarray(0, 90)),
    'truncated',
    /data\.pkl, byte \d+/,
  );
  await failing(
    changed(/data\.pkl$/, (b) => b.fill(0x97, 2, 3)),
    'pickle',
    /opcode 0x97.*data\.pkl, byte \d+/,
  );
  await failing(
    changed(/data\/0$/, (b) => b.subarray(4)),
    'pickle',
    /should have 96 bytes.*data\/0" has 92/,
  );
  const flipped = Buffer.from(whole);
  const entry = whole.indexOf(parts.find(({ name }) => name.endsWith('data/0'))!.bytes);
  flipped[entry + 5]! ^= 1;
  await failing(flipped, 'checksum', /data\/0" at byte \d+ is damaged/);
  const legacy = readFileSync(join(fixtures, 'views-legacy.pt'));
  await failing(legacy.subarray(0, -50), 'truncated', /byte \d+/);
  await failing(Buffer.from('\x80\x02]q\x01.', 'latin1'), 'unknown-format', /not one written by torch\.save/);
});

test('a deflated data.pkl and a checksum that was never written are tolerated', async (t) => {
  const parts = partsOf(readFileSync(join(fixtures, 'views.pt')));
  const path = join(folder, 'deflated.pt');
  writeFileSync(
    path,
    zipOf(parts.map((part) => (part.name.endsWith('.pkl') ? { ...part, deflated: true } : part))),
  );
  const { all } = await loadCheckpoint(path);
  t.deepEqual(
    [...elementBytes(all.get('e')!)].filter((byte) => byte > 0),
    [1, 2, 3],
  );
  writeFileSync(path, zipOf(parts.map((part) => ({ ...part, crc: 0 }))));
  t.is((await loadCheckpoint(path)).all.size, 7);
});
