import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { packageRoot } from '../src/files/package.js';

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

test('the declarations check without the types of Node or of a browser, and with an old library', async (t) => {
  t.is(await compile('-p', fileURLToPath(new URL('declarations/', import.meta.url))), '');
});

/**
 * Names of types that compilers below the oldest one promised in the README do not know. As the name of a property one may
 * be asked for: `typeof globalThis extends { Float16Array: … }` is no to them.
 */
const tooNew =
  /\b(MapIterator|SetIterator|ArrayIterator|IteratorObject|AsyncIteratorObject|BuiltinIterator\w*|Float16Array)\b(?!:)/;

test('the declarations use no name of the library that old compilers lack, and nothing of other packages', async (t) => {
  const found: string[] = [];
  const seen = new Set<string>();
  const visit = async (file: string): Promise<void> => {
    if (seen.has(file)) return;
    seen.add(file);
    const text = (await readFile(file, 'utf8')).replace(/\/\*[^]*?\*\//g, '');
    const name = tooNew.exec(text)?.[0];
    if (name !== undefined) found.push(`${file}: ${name}`);
    // Packages bring declarations of their own, which may ask for Node's types or for a newer compiler.
    for (const [, from] of text.matchAll(/(?:from|import)\s*\(?\s*'([^.'][^']*)'/g))
      found.push(`${file}: ${from}`);
    const imports = [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)\.js'/g)];
    await Promise.all(imports.map(([, path]) => visit(join(dirname(file), `${path}.d.ts`))));
  };
  await visit(join(packageRoot(), 'dist', 'index.d.ts'));
  t.true(seen.size > 100);
  t.deepEqual(found, []);
});
