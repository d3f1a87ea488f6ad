import { readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import test from 'ava';
import { packageRoot } from '../../src/files/package.js';
import * as source from '../../src/index.js';
import * as bundled from 'tessera-torch';

/** Every function and class that can be reached, by its way from the package's exports, with its name. */
function namesIn(exported: object): string[] {
  const names: string[] = [];
  const seen = new Set<unknown>();
  const visit = (value: unknown, way: string): void => {
    if (value === null || !['object', 'function'].includes(typeof value) || seen.has(value)) return;
    seen.add(value);
    if (typeof value === 'function') names.push(`${way}: ${value.name}`);
    for (const [key, { get, value: held }] of Object.entries(Object.getOwnPropertyDescriptors(value))) {
      if (get) names.push(`${way}.${key}: ${get.name}`);
      else if (!ArrayBuffer.isView(value)) visit(held, `${way}.${key}`);
    }
  };
  for (const [key, value] of Object.entries(exported)) visit(value, key);
  return names;
}

/** The files that are loaded with one of dist/, by path. */
function loadedWith(file: string, loaded = new Set<string>()): Set<string> {
  if (loaded.has(file)) return loaded;
  loaded.add(file);
  const imports = readFileSync(file, 'utf8').matchAll(/^(?:import|export|\})[^"'`;]*"(\.[^"]+)";$/gm);
  for (const [, path = ''] of imports) loadedWith(resolve(dirname(file), path), loaded);
  return loaded;
}

const dist = join(packageRoot(), 'dist');
const kilobytes = (files: Iterable<string>): number =>
  [...files].reduce((sum, file) => sum + statSync(file).size / 1e3, 0);

test('bundled functions, classes and methods have the names of their sources, in the same order', (t) => {
  const names = namesIn(source);
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
  t.true(files.size <= 20, [...files].join('\n'));
  t.true(kilobytes(files) > 500);
});

test('the command line shows help without the library', (t) => {
  t.true(kilobytes(loadedWith(join(dist, 'cli', 'main.js'))) < 50);
});
