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

let reason: Error;

/** Handles that cannot sync, each time for another reason. */
test.before(async () => {
  const handle = await open(join(root, 'any'), 'w');
  await handle.close();
  Object.defineProperty(Object.getPrototypeOf(handle), 'sync', { value: () => Promise.reject(reason) });
});

async function write(folder: string): Promise<void> {
  await saveSafetensors(`${folder}.safetensors`, { a: ones([2]) });
  await replaceFile(`${folder}.json`, '{}');
  await packImages({ path: 'scenes', size: 16, count: 4 }, folder);
}

test.serial("files are written under Yarn's Plug'n'Play, whose handles cannot sync", async (t) => {
  reason = new Error('Method not implemented.');
  await t.notThrowsAsync(write(join(root, 'pnp')));
});

test.serial('files are written under node --permission, which lets nobody sync', async (t) => {
  reason = Object.assign(new Error('fsync API is disabled'), { code: 'ERR_ACCESS_DENIED' });
  await t.notThrowsAsync(write(join(root, 'permission')));
});

test.serial('a disk that fails is an error', async (t) => {
  reason = Object.assign(new Error('i/o error'), { code: 'EIO' });
  await t.throwsAsync(write(join(root, 'failing')), { message: /i\/o error/ });
});
