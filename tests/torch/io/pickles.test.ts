/** What pickles hold beside plain tensors: subclasses, whole modules, much else, and every kind of key. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { zipOf } from '../../long/zip-of.js';
import * as torch from '../../../src/torch/index.js';
import { CheckpointError, loadCheckpoint } from '../../../src/torch/io/index.js';

const fixtures = fileURLToPath(new URL('../../fixtures/checkpoints/', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'tessera-pickles-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

const open = (name: string) => loadCheckpoint(join(fixtures, name));

let files = 0;

/** A zip file with this pickle (protocol 2, without its end) and one storage of four floats, 0 to 3. */
async function openPickle(body: string) {
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

const text = (value: string): string => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value.length);
  return `X${bytes.toString('latin1')}${value}`;
};
const storage = `(${text('storage')}ctorch\nFloatStorage\n${text('0')}${text('cpu')}K\x04tQ`;
/** A tensor of so many of the storage's elements. */
const tensor = (size: number): string =>
  `ctorch._utils\n_rebuild_tensor_v2\n(${storage}K\x00K${String.fromCharCode(size)}\x85K\x01\x85\x89ccollections\nOrderedDict\n)RtR`;
/** A subclass around other tensors, of one dimension; `state` is what it carries. */
const wrapper = (name: string, size: number, state: string, rebuild = '_rebuild_from_type_v2'): string =>
  `ctorch._tensor\n${rebuild}\n(ctorch._utils\n_rebuild_wrapper_subclass\nc${name}\n` +
  `(c${name}\nctorch\nfloat32\nK${String.fromCharCode(size)}\x85K\x01\x85K\x00NN\x89t${state}tR`;
const slots = (local: string, placement: string): string =>
  `N}(${text('_local_tensor')}${local}${text('_spec')}cs\nDTensorSpec\n)\x81}${text('placements')}` +
  `ctorch.distributed._tensor.placement_types\n${placement}\n)\x81}${text('dim')}K\x00sb\x85sbu\x86`;

test('tensors that PyTorch spreads over processes are read where one process has the whole', async (t) => {
  for (const name of ['subclasses-zip.pt', 'subclasses-legacy.pt']) {
    const { tensors, all, metadata } = await open(name);
    t.deepEqual([...tensors.keys()], ['dtensor', 'parameter', 'sharded', 'attributes', 'plain'], name);
    t.deepEqual(tensors.get('dtensor')!.shape, [2, 3]);
    t.deepEqual(tensors.get('sharded')!.tolist(), [
      [1, 1],
      [1, 1],
    ]);
    // What was set on a tensor is kept beside it.
    t.deepEqual(metadata['attributes'], {
      global: 'torch.nn.parameter.Parameter',
      state: { rate: 0.5 },
    });
    t.deepEqual(all.get('attributes.scale')!.tolist(), [3]);
  }
  for (const module of [
    'torch.distributed.tensor',
    'torch.distributed._tensor',
    'torch.distributed._tensor.api',
  ]) {
    for (const rebuild of ['_rebuild_from_type_v2', '_rebuild_from_type']) {
      const { tensors } = await openPickle(
        `}${text('w')}${wrapper(`${module}\nDTensor`, 4, slots(tensor(4), 'Replicate'), rebuild)}s`,
      );
      t.deepEqual(tensors.get('w')!.tolist(), [0, 1, 2, 3], `${module} ${rebuild}`);
    }
  }
  const parameter = `ctorch._utils\n_rebuild_parameter\n(${wrapper('torch.distributed.tensor\nDTensor', 4, slots(tensor(4), 'Shard'))}\x88ccollections\nOrderedDict\n)RtR`;
  t.deepEqual((await openPickle(`}${text('w')}${parameter}s`)).tensors.get('w')!.tolist(), [0, 1, 2, 3]);
});

test('a subclass of Parameter is its tensor, with what is set on it beside it', async (t) => {
  const made = `ctorch._utils\n_rebuild_parameter\ncmy\nWeight\n(${tensor(2)}\x88ccollections\nOrderedDict\n)Rt`;
  const subclass = `ctorch._tensor\n_rebuild_from_type_v2\n(${made}}${text('scale')}K\x03stR`;
  const { tensors, metadata } = await openPickle(`}${text('w')}${subclass}s`);
  t.deepEqual(tensors.get('w')!.tolist(), [0, 1]);
  t.deepEqual(metadata['w'], { global: 'my.Weight', state: { scale: 3 } });
});

test('a part of a tensor is refused with its name, its class, and the way out', async (t) => {
  const error = await t.throwsAsync(open('shards.bin'), { instanceOf: CheckpointError });
  t.is(error.problem, 'unsupported-format');
  t.regex(
    error.message,
    /"model\.weight" is a torch\.distributed\.tensor\.DTensor of shape \[4, 3\].*\[2, 3\].*Shard\(0\).*full_tensor/,
  );
  const summand = wrapper('torch.distributed.tensor\nDTensor', 4, slots(tensor(4), '_Partial'));
  await t.throwsAsync(openPickle(`}${text('w')}${summand}s`), { message: /"w".*DTensor.*Partial/ });
  const shard = `cs\nShard\n)\x81}${text('tensor')}${tensor(2)}sb`;
  const state = (shards: string) => `(](${shards}eNNNNt`;
  const name = 'torch.distributed._shard.sharded_tensor.api\nShardedTensor';
  await t.throwsAsync(openPickle(`}${text('w')}${wrapper(name, 4, state(shard))}s`), {
    message: /"w".*ShardedTensor of shape \[4\].*\[2\]/,
  });
  await t.throwsAsync(openPickle(`}${text('w')}${wrapper(name, 4, state(shard + shard))}s`), {
    message: /ShardedTensor.*\[2\] and \[2\]/,
  });
});

test('a subclass that is not known is named, and the tensors in it are found', async (t) => {
  const body = `}(${text('scale')}${tensor(1)}${text('bits')}K\x08u`;
  for (const state of [body, `${body}}\x86`, `N${body}\x86`]) {
    const { all, metadata } = await openPickle(`}${text('w')}${wrapper('torchao.quant\nPacked', 4, state)}s`);
    t.deepEqual([...all.keys()], ['w.scale']);
    t.is((metadata['w'] as { global: string }).global, 'torchao.quant.Packed');
    t.true(JSON.stringify(metadata['w']).includes('"bits":8'));
  }
  const plain = `ctorch._tensor\n_rebuild_from_type_v2\n(ctorch._utils\n_rebuild_meta_tensor_no_storage\nctorch\nTensor\n(ctorch\nfloat32\nK\x04\x85K\x01\x85\x89t}${text('a')}K\x01stR`;
  const { metadata } = await openPickle(`}${text('w')}${plain}s`);
  t.like(metadata['w'], { global: 'torch._utils._rebuild_meta_tensor_no_storage', state: { a: 1 } });
});

test('a module that was saved whole has the names of its state dict', async (t) => {
  const { tensors, all, metadata } = await open('nested-module-zip.pt');
  t.deepEqual(
    [...tensors.keys()].sort(),
    [
      ...['bias', 'weight'].map((name) => `net.blocks.0.0.${name}`),
      'net.blocks.0.1.weight',
      'net.head.weight',
      'net.kept',
      ...['bias', 'num_batches_tracked', 'running_mean', 'running_var', 'weight'].map(
        (name) => `net.named.norm.${name}`,
      ),
      ...['bias_hh_l0', 'bias_ih_l0', 'weight_hh_l0', 'weight_ih_l0'].map((name) => `net.recurrent.${name}`),
      'net.scales.0',
      'net.scales.1',
    ].sort(),
  );
  // Two names of one parameter, and what no state dict holds.
  t.is(tensors.identity('net.head.weight'), tensors.identity('net.blocks.0.1.weight'));
  t.false(tensors.has('net.passing'));
  t.deepEqual(all.get('net.passing')!.tolist(), [0, 1, 2, 3]);
  t.deepEqual(all.get('net.attribute')!.tolist(), [5, 5]);
  t.is((metadata['net'] as { global: string }).global, '__main__.Nested');
  t.is(metadata['step'], 3);
});

test('texts of NumPy are texts, and every key that Python lets be one has a name', async (t) => {
  const { metadata } = await open('names-zip.pt');
  t.like(metadata, { text: 'añ🎨', big: 'xy', empty: '' });
  t.deepEqual(metadata['bytes'], Uint8Array.of(97, 98));
  t.deepEqual(metadata['array'], { dtype: 'U2', shape: [2, 2], data: ['ab', 'c', '', 'é'] });
  t.deepEqual(metadata['columns'], { dtype: 'U1', shape: [2, 2], data: ['a', 'b', 'c', 'd'] });
  t.deepEqual(metadata['raw'], { dtype: 'S2', shape: [2], data: ['ab', 'c'] });
  t.deepEqual(metadata['objects'], { dtype: 'object', shape: [3], data: ['x', null, { a: 1 }] });
  t.deepEqual(metadata['keys'], {
    '{a}': 1,
    '{}': 2,
    '1-2j': 3,
    np: 4,
    1: 5,
    '1#2': 6,
    b: 7,
    '({1}, 2)': 8,
    'torch.float32': 9,
    '(2)': 10,
    7: 11,
    '1.5': 12,
    None: 13,
    True: 14,
  });
});

test('what a pickle may unfold to grows with its size', async (t) => {
  const count = 200_000;
  const float = `G${Buffer.from('3ff8000000000000', 'hex').toString('latin1')}`;
  const views = 200_000;
  const bodies: [name: string, body: string, length: number][] = [
    ['floats', `](${float.repeat(1_000_000)}e`, 1_000_000],
    ['small integers', `](${'K\x01'.repeat(650_000)}e`, 650_000],
    ['nothings', `](${'N'.repeat(650_000)}e`, 650_000],
    ['texts', `](${text('abcdefghij').repeat(count)}e`, count],
    ['pairs', `](${'K\x01K\x02\x86'.repeat(count)}e`, count],
    ['lists', `](${'](K\x01K\x02e'.repeat(count)}e`, count],
    ['dictionaries', `](${`}${text('a')}K\x01s`.repeat(count)}e`, count],
    ['calls', `](${'ccollections\nCounter\n)R'.repeat(count / 4)}e`, count / 4],
    ['objects', `](${'cpkg\nClass\n)\x81}b'.repeat(count / 4)}e`, count / 4],
  ];
  for (const [name, body, length] of bodies) {
    const { metadata, tensors } = await openPickle(`}(${text('w')}${tensor(4)}${text('log')}${body}u`);
    t.is((metadata['log'] as unknown[]).length, length, name);
    t.deepEqual(tensors.get('w')!.tolist(), [0, 1, 2, 3], name);
  }
  // Names of tensors: many views of one storage.
  const { tensors } = await openPickle(`](${tensor(1)}q\x00${'h\x00'.repeat(views)}e`);
  t.is(tensors.size, views + 1);
  const long = 'x'.repeat(70 * 2 ** 20);
  t.is((await openPickle(`}${text('log')}${text(long)}s`)).metadata['log'], long);
  const digits = `\x8b${Buffer.from([0, 16, 0, 0]).toString('latin1')}${'\x01'.repeat(4096)}`;
  t.is((await openPickle(`}${text('n')}${digits}s`)).metadata['n'], BigInt(`0x${'01'.repeat(4096)}`));
  const deep = await openPickle(`}${text('deep')}${']'.repeat(900)}${'a'.repeat(899)}s`);
  t.truthy(deep.metadata['deep']);
});

test('what unfolds by copying, doubling or unpacking is refused at any size', async (t) => {
  const copies = 'cbuiltins\nlist\n(h\0tR'.repeat(20_000);
  const empty = ']'.repeat(3_000_000);
  const bombs: Record<string, string> = {
    copies: `](${'K\x01'.repeat(10_000)}eq\0](${copies}e`,
    'empty lists': `](${empty}e`,
    'a value kept again and again': `]${'\x94'.repeat(1_000_000)}`,
    'doubled names': `](${tensor(4)}eq\0${Array.from({ length: 99 }, (_, i) => `](h${String.fromCharCode(i)}h${String.fromCharCode(i)}eq${String.fromCharCode(i + 1)}0`).join('')}0h\x63`,
  };
  for (const [name, body] of Object.entries(bombs)) {
    const error = await t.throwsAsync(openPickle(body), { instanceOf: CheckpointError }, name);
    t.is(error.problem, 'limit', name);
  }
  const path = join(folder, 'packed.pt');
  const pickle = Buffer.from(`\x80\x02](${'N'.repeat(4_000_000)}e.`, 'latin1');
  writeFileSync(path, zipOf([{ name: 'a/data.pkl', bytes: pickle, deflated: true }]));
  await t.throwsAsync(loadCheckpoint(path), { instanceOf: torch.TorchError, message: /expands/ });
});
