import { mkdtempSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { packImages } from '../../../src/data/index.js';
import { replaceFile } from '../../../src/training/run-folder.js';
import { ones } from '../../../src/torch/index.js';
import { saveSafetensors } from '../../../src/torch/io/index.js';

const root = mkdtempSync(join(tmpdir(), 'tessera-sync-'));
test.after.always(() => rmSync(root, { recursive: true, force: true }));

/** Handles as Yarn's Plug'n'Play gives them. */
test.before(async () => {
  const handle = await open(join(root, 'any'), 'w');
  await handle.close();
  for (const name of ['sync', 'datasync'])
    Object.defineProperty(Object.getPrototypeOf(handle), name, {
      value: () => Promise.reject(new Error('Method not implemented.')),
    });
});

test('files are written, and synced, where handles cannot do it themselves', async (t) => {
  await t.notThrowsAsync(saveSafetensors(join(root, 'a.safetensors'), { a: ones([2]) }));
  await t.notThrowsAsync(replaceFile(join(root, 'b.json'), '{}'));
  await t.notThrowsAsync(packImages({ path: 'scenes', size: 16, count: 4 }, join(root, 'packed')));
});
