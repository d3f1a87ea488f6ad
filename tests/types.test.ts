import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';

const folder = fileURLToPath(new URL('types/', import.meta.url));
const typescript = createRequire(import.meta.url).resolve('typescript/package.json');
const tsc = join(dirname(typescript), 'bin', 'tsc');

async function compile(...args: string[]): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [tsc, '--noEmit', ...args]);
    return stdout;
  } catch (error) {
    return (error as { stdout: string }).stdout || String(error);
  }
}

// Against dist, which `npm test` builds first: the declarations that users get.
test('what must compile does, and what must not does not', async (t) => {
  t.is(await compile('-p', folder), '');
});
