import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { locateLibtorch } from '../../../src/setup/locate.js';
import { packageRoot } from '../../../src/files/package.js';
import { cacheRoot } from '../../../src/setup/platform.js';

const run = promisify(execFile);
const flag = process.allowedNodeEnvironmentFlags.has('--permission')
  ? '--permission'
  : '--experimental-permission';

/** Only these may be read: the project, the cache, and the libtorch in use. */
const readable = [packageRoot(), cacheRoot(), locateLibtorch().root].map(
  (path) => `--allow-fs-read=${join(path, '*')}`,
);
const allowed = [flag, '--no-warnings', '--allow-addons', ...readable];
const entry = JSON.stringify(join(packageRoot(), 'dist', 'index.js'));

test('the package loads and computes where Node permits the project, the cache and addons only', async (t) => {
  const code = `import { torch } from ${entry}; console.log(torch.ones([3]).sum().item());`;
  const { stdout } = await run(process.execPath, [...allowed, '--input-type=module', '--eval', code]);
  t.is(stdout, '3\n');
});

test('doctor there says what it could not try, and the flag for it', async (t) => {
  const main = join(packageRoot(), 'dist', 'cli', 'main.js');
  const { stdout } = await run(process.execPath, [...allowed, main, 'doctor']);
  t.regex(stdout, /note\s+loading.*\n.*--allow-child-process/);
});
