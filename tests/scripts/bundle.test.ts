import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import test from 'ava';
import { packageRoot } from '../../src/files/package.js';
import * as bundled from 'tessera-torch';
import { namesIn } from './names-in.js';

/** The files that are loaded with one of dist/, by path. */
function loadedWith(file: string, loaded = new Set<string>()): Set<string> {
  if (loaded.has(file)) return loaded;
  loaded.add(file);
  const imports = readFileSync(file, 'utf8').matchAll(/^(?:import|export|\})[^"'`;=]*"(\.[^"]+)";$/gm);
  for (const [, path = ''] of imports) loadedWith(resolve(dirname(file), path), loaded);
  return loaded;
}

const dist = join(packageRoot(), 'dist');
const kilobytes = (files: Iterable<string>): number =>
  [...files].reduce((sum, file) => sum + statSync(file).size / 1e3, 0);

test('bundled functions, classes and methods have the names of their sources, in the same order', (t) => {
  const printed = execFileSync(process.execPath, ['--import=tsx', 'tests/scripts/print-names.ts'], {
    encoding: 'utf8',
    maxBuffer: 1e8,
  });
  const names = JSON.parse(printed) as string[];
  t.true(names.length > 2000);
  for (const name of ['F.conv2d: conv2d', 'nn.Module: Module', 'torch.Tensor: Tensor'])
    t.true(names.includes(name));
  t.deepEqual(namesIn(bundled), names);
});

test('exported namespaces are those of the engine', (t) => {
  const { torch, nn, F, optim } = bundled;
  for (const namespace of [torch, torch.cuda, nn, nn.init, F, optim])
    t.is(Object.prototype.toString.call(namespace), '[object Module]');
});

test('the package is imported from few files', (t) => {
  const files = loadedWith(join(dist, 'index.js'));
  t.true(files.size <= 21, [...files].join('\n'));
  t.true(kilobytes(files) > 500);
});

test('no file that an import loads has a dynamic import, for which tsx would rewrite it, taking 90 MB', (t) => {
  const dynamic = [...loadedWith(join(dist, 'index.js'))].filter((file) =>
    readFileSync(file, 'utf8').includes('import('),
  );
  t.deepEqual(dynamic, []);
});

test('the command line shows help without the library', (t) => {
  t.true(kilobytes(loadedWith(join(dist, 'cli', 'main.js'))) < 50);
});
