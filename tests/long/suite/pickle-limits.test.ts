/** Limits of the values that pickles unfold to. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import * as torch from '../../../src/torch/index.js';
import { CheckpointError, loadCheckpoint } from '../../../src/torch/io/index.js';
import { folder, openPickle, tensor, text } from '../../torch/io/pickle-bodies.js';
import { zipOf } from '../zip-of.js';

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
