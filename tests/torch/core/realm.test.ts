import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';

const script = fileURLToPath(new URL('realm.mjs', import.meta.url));

test('the package loads in a realm that has no Symbol.dispose, and gives it one', async (t) => {
  const flags = ['--experimental-vm-modules', '--no-warnings'];
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, script]);
  t.is(stdout, '[3,true,"symbol"]\n');
});
