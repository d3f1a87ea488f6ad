/** What pickles hold beside plain tensors: subclasses, whole modules, much else, and every kind of key. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { CheckpointError, loadCheckpoint } from '../../../src/torch/io/index.js';
import { openPickle, tensor, text } from './pickle-bodies.js';

const fixtures = fileURLToPath(new URL('../../fixtures/checkpoints/', import.meta.url));
const open = (name: string) => loadCheckpoint(join(fixtures, name));

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
