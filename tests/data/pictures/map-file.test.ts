import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import { ImageDataError } from '../../../src/data/image-error.js';
import { readMapFile } from '../../../src/data/pictures/map-file.js';

const folder = mkdtempSync(join(tmpdir(), 'tessera-map-file-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

async function written(
  name: string,
  values: number[],
  width: number,
  channels: 1 | 3 | 4 = 1,
): Promise<string> {
  const height = values.length / width / channels;
  const path = join(folder, name);
  await sharp(Uint8Array.from(values), { raw: { width, height, channels } }).png().toFile(path);
  return path;
}

test('labels are read as they are, and enlarged without mixing them', async (t) => {
  const path = await written('labels.png', [0, 7, 8, 3], 2);
  t.deepEqual([...(await readMapFile(path, 2))], [0, 7, 8, 3]);
  t.deepEqual([...(await readMapFile(path, 4))], [0, 0, 7, 7, 0, 0, 7, 7, 8, 8, 3, 3, 8, 8, 3, 3]);
});

test('of a wide map the middle is read', async (t) => {
  const path = await written('wide.png', [9, 1, 2, 9, 9, 3, 4, 9], 4);
  t.deepEqual([...(await readMapFile(path, 2))], [1, 2, 3, 4]);
});

test('equal channels are one value; transparency does not count', async (t) => {
  const rgba = [5, 5, 5, 255, 6, 6, 6, 255, 7, 7, 7, 255, 8, 8, 8, 255];
  t.deepEqual([...(await readMapFile(await written('rgba.png', rgba, 2, 4), 2))], [5, 6, 7, 8]);
});

test('a file that is not a map is refused by name', async (t) => {
  const coloured = await written('colours.png', [1, 1, 1, 9, 2, 2, 3, 3, 3, 4, 4, 4], 2, 3);
  const text = join(folder, 'text.png');
  writeFileSync(text, 'no image');
  for (const [path, message] of [
    [coloured, /colours\.png.*has colours/],
    [text, /text\.png.*is not an image/],
    [join(folder, 'nowhere.png'), /nowhere\.png.*cannot be read/],
  ] as const) {
    await t.throwsAsync(readMapFile(path, 2), { instanceOf: ImageDataError, message });
  }
});
