import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { ImageDataError } from '../../../src/data/image-error.js';
import { writeFolder } from '../../../src/data/files/new-folder.js';
import { folderFor } from '../pictures/pictures.js';

const never = async () => false;

test('a folder is seen under its name only when it is full', async (t) => {
  const root = await folderFor(t);
  const folder = join(root, 'deep', 'new');
  const result = await writeFolder(folder, never, async (partial) => {
    t.deepEqual((await readdir(join(root, 'deep'))).length, 1);
    await t.throwsAsync(readdir(folder), { code: 'ENOENT' });
    await writeFile(join(partial, 'a'), 'new');
    return 7;
  });
  t.is(result, 7);
  t.deepEqual(await readdir(join(root, 'deep')), ['new']);
  t.is(await readFile(join(folder, 'a'), 'utf8'), 'new');
});

test('an empty folder is filled, another one only where it may be replaced', async (t) => {
  const root = await folderFor(t);
  const folder = join(root, 'pictures');
  await mkdir(folder);
  const fill = (name: string) => (partial: string) => writeFile(join(partial, name), '');
  await writeFolder(folder, never, fill('a'));
  await t.throwsAsync(writeFolder(folder, never, fill('b')), { message: /the folder is not empty/ });
  t.deepEqual(await readdir(folder), ['a']);
  await writeFolder(folder, async () => true, fill('b'));
  t.deepEqual(await readdir(folder), ['b']);
  t.deepEqual(await readdir(root), ['pictures']);
});

for (const [what, error, expected] of [
  [
    'a full disk',
    Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' }),
    /pictures: cannot be written \(ENOSPC: no space left on device, write\); the incomplete folder was removed/,
  ],
  ['any other error', new Error('stopped'), /^stopped$/],
] as const) {
  test(`${what} leaves the older folder and nothing half-done`, async (t) => {
    const root = await folderFor(t);
    const folder = join(root, 'pictures');
    await mkdir(folder);
    await writeFile(join(folder, 'old'), '');
    const failing = writeFolder(
      folder,
      async () => true,
      async (partial) => {
        await writeFile(join(partial, 'half'), '');
        throw error;
      },
    );
    const thrown = await t.throwsAsync(failing, { message: expected });
    t.is(thrown instanceof ImageDataError, what === 'a full disk');
    t.deepEqual(await readdir(root), ['pictures']);
    t.deepEqual(await readdir(folder), ['old']);
  });
}
