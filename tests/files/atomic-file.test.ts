import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { replaceNow, writeAtomically } from '../../src/files/atomic-file.js';
import { temporaryOf } from '../../src/files/temporary.js';
import { folder } from '../setup/fake-libtorch.js';

/** A process id that no process has: above every system's limit. */
const DEAD = 2 ** 30;

type Content = Parameters<typeof writeAtomically>[1];

const writers: [name: string, write: (path: string, content: Content) => Promise<void>][] = [
  ['writeAtomically', writeAtomically],
  ['replaceNow', async (path, content) => replaceNow(path, content)],
];

for (const [name, write] of writers) {
  test(`${name}: the first write into a folder removes what was left there, and writes`, async (t) => {
    const home = folder(t);
    const target = join(home, 'a.txt');
    writeFileSync(temporaryOf(target, 'tmp').replace(`.${process.pid}.`, `.${DEAD}.`), 'half');
    await write(target, Buffer.from('whole'));
    t.deepEqual(readdirSync(home), ['a.txt']);
    t.is(readFileSync(target, 'utf8'), 'whole');
  });

  test(`${name}: a symbolic link is written through`, async (t) => {
    const home = folder(t);
    const elsewhere = folder(t);
    const [link, target] = [join(home, 'a.txt'), join(elsewhere, 'b.txt')];
    writeFileSync(target, 'old');
    symlinkSync(target, link);
    await write(link, 'new');
    t.true(lstatSync(link).isSymbolicLink());
    t.is(readFileSync(target, 'utf8'), 'new');
    t.deepEqual([readdirSync(home), readdirSync(elsewhere)], [['a.txt'], ['b.txt']]);
  });

  test(`${name}: what cannot be written leaves the old file, and nothing else`, async (t) => {
    const home = folder(t);
    const target = join(home, 'a.txt');
    writeFileSync(target, 'old');
    const half = (): void => {
      throw new Error('out of ideas');
    };
    await t.throwsAsync(write(target, half), { message: 'out of ideas' });
    t.is(readFileSync(target, 'utf8'), 'old');
    mkdirSync(join(home, 'b'));
    await t.throwsAsync(write(join(home, 'b'), 'new'), { message: /b is a folder; name a file/ });
    await t.throwsAsync(write(join(home, 'none', 'c'), 'new'), { message: /there is no folder .*none/ });
    t.deepEqual(readdirSync(home).sort(), ['a.txt', 'b']);
    t.false(existsSync(join(home, 'none')));
  });
}
