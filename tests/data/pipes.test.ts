import { execFileSync } from 'node:child_process';
import { basename, join } from 'node:path';
import test from 'ava';
import { openImages } from '../../src/data/open-images.js';
import { folderFor, writePictures } from './pictures/pictures.js';

test('a pipe under the name of an image is left out, and not waited for', async (t) => {
  const folder = await folderFor(t);
  await writePictures(folder, 2);
  execFileSync('mkfifo', [join(folder, 'pipe.png')]);
  const { report } = await openImages({ path: folder, size: 8, heldOut: 0 });
  t.is(report.train, 2);
  t.deepEqual(
    report.skipped.map(({ path, reason }) => [basename(path), reason]),
    [['pipe.png', 'cannot be read (it is a pipe or a device)']],
  );
});
