import fs, { mkdtempSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { packImages } from '../../../src/data/index.js';
import { replaceFile } from '../../../src/runs/folder.js';
import { ones } from '../../../src/torch/index.js';
import { saveSafetensors } from '../../../src/torch/io/index.js';

const root = mkdtempSync(join(tmpdir(), 'tessera-sync-'));
test.after.always(() => rmSync(root, { recursive: true, force: true }));

/** Makes the system's own call fail, for the length of a test. */
function failingSync(t: ExecutionContext, code: string): void {
  const { fsync } = fs;
  const fail = (_: number, done: (error: Error) => void) =>
    done(Object.assign(new Error(`${code}: it fails`), { code }));
  Object.assign(fs, { fsync: fail });
  syncBuiltinESMExports();
  t.teardown(() => {
    Object.assign(fs, { fsync });
    syncBuiltinESMExports();
  });
}

async function write(folder: string): Promise<void> {
  await saveSafetensors(`${folder}.safetensors`, { a: ones([2]) });
  await replaceFile(`${folder}.json`, '{}');
  await packImages({ path: 'scenes', size: 16, count: 4 }, folder);
}

test.serial("files are written under Yarn's Plug'n'Play, whose handles cannot sync", async (t) => {
  const handle = await open(join(root, 'any'), 'w');
  await handle.close();
  const prototype = Object.getPrototypeOf(handle) as { sync: unknown };
  const { sync } = prototype;
  t.teardown(() => void (prototype.sync = sync));
  prototype.sync = () => Promise.reject(new Error('Method not implemented.'));
  await t.notThrowsAsync(write(join(root, 'pnp')));
});

for (const code of ['ERR_ACCESS_DENIED', 'ENOSYS', 'EINVAL', 'ENOTSUP']) {
  test.serial(`files are written where nobody may or can sync: ${code}`, async (t) => {
    failingSync(t, code);
    await t.notThrowsAsync(write(join(root, code)));
  });
}

test.serial('a disk that fails is an error', async (t) => {
  failingSync(t, 'EIO');
  await t.throwsAsync(write(join(root, 'failing')), { message: /EIO: it fails/ });
});
