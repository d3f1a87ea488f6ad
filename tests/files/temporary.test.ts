import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import test from 'ava';
import { isTemporary, removeLeftovers, temporaryOf } from '../../src/files/temporary.js';
import { folder } from '../setup/fake-libtorch.js';

/** A process id that no process has: above every system's limit. */
const DEAD = 2 ** 30;

/** Returns the temporary name that another process would have made. */
const byProcess = (pid: number, target: string, kind: 'tmp' | 'partial' = 'tmp') =>
  temporaryOf(target, kind).replace(`.${process.pid}.`, `.${pid}.`);

/** Returns the name as a process elsewhere would have made it. */
const elsewhere = (name: string) => name.replace(/\.([0-9a-f]{6})(?=[0-9a-f]{6}\.)/, '.000000');

test('what a killed process has left is removed, and nothing else', (t) => {
  const home = folder(t);
  const target = join(home, 'weights.safetensors');
  const kept = [
    temporaryOf(target, 'tmp'),
    byProcess(process.ppid, target),
    elsewhere(byProcess(DEAD, target)),
    ...['.weights.safetensors.1073741824.0123abcd.tmp', '.hidden', 'weights.safetensors', '.a.tmp'].map(
      (name) => join(home, name),
    ),
  ];
  const left = [byProcess(DEAD, target), byProcess(DEAD, join(home, 'other.npy'))];
  for (const path of [...kept, ...left]) writeFileSync(path, 'half');
  const partial = byProcess(DEAD, join(home, 'run'), 'partial');
  mkdirSync(partial);
  writeFileSync(join(partial, 'model.safetensors'), 'half');
  removeLeftovers(home);
  t.deepEqual(readdirSync(home).sort(), kept.map((path) => basename(path)).sort());
});

test('names of incomplete files are told, those of older versions too', (t) => {
  t.true(isTemporary(basename(temporaryOf('/a/b.npy', 'tmp'))));
  t.true(isTemporary('.b.npy.12.0123abcd.tmp'));
  for (const name of ['b.npy', '.b.npy.tmp', basename(temporaryOf('/a/b', 'partial'))])
    t.false(isTemporary(name), name);
});
