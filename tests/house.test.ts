import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { longTests } from './long/main.js';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Imports go down this list only; folders in one line do not import each other. */
const LAYERS = [
  ['cli', 'studio'],
  ['training'],
  ['sampling'],
  ['models', 'data', 'metrics'],
  ['torch'],
  ['torch/native'],
  ['setup'],
  ['files'],
];

/** The one place outside `cli` that reaches across the layers is the package's own entry. */
const ENTRY = 'index.ts';

const NATIVE_LINES = 1750;
const FILE_LINES = 300;

function filesBelow(folder: string, pattern: RegExp): string[] {
  const names = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' });
  return names.map((name) => name.replaceAll('\\', '/')).filter((name) => pattern.test(name));
}

/** Position of a file's layer in LAYERS and the folder that makes it; -1 for one that belongs to none. */
function layerOf(file: string): { level: number; folder: string } {
  const folder = file.startsWith('torch/native/') ? 'torch/native' : (file.split('/')[0] ?? '');
  return { level: LAYERS.findIndex((layer) => layer.includes(folder)), folder };
}

function importsOf(file: string): string[] {
  const text = readFileSync(join(root, 'src', file), 'utf8');
  const pattern = /(?:from|import)\s*\(?\s*['"](\.{1,2}\/[^'"]+)['"]/g;
  return [...text.matchAll(pattern)].map(([, path = '']) =>
    posix.join(posix.dirname(file), path.replace(/\.js$/, '.ts')),
  );
}

const sources = filesBelow('src', /\.ts$/);

test('every source file belongs to a layer', (t) => {
  t.deepEqual(
    sources.filter((file) => file !== ENTRY && layerOf(file).level < 0),
    [],
  );
});

test('imports go downwards only', (t) => {
  const wrong: string[] = [];
  for (const file of sources.filter((name) => name !== ENTRY)) {
    const own = layerOf(file);
    for (const target of importsOf(file)) {
      const other = layerOf(target);
      const down = other.folder === own.folder || other.level > own.level;
      if (target === ENTRY || !down) wrong.push(`${file} imports ${target}`);
    }
  }
  t.deepEqual(wrong, []);
});

test('named exports only', (t) => {
  const defaults = sources.filter((file) =>
    /^export default/m.test(readFileSync(join(root, 'src', file), 'utf8')),
  );
  t.deepEqual(defaults, []);
});

test('the native layer stays thin', (t) => {
  // Optional parts have folders of their own and do not count.
  const lines = filesBelow('native', /^[^/]+\.(cc|h)$/).map((file) => {
    const text = readFileSync(join(root, 'native', file), 'utf8');
    return { file, count: text.split('\n').length - 1 };
  });
  t.deepEqual(
    lines.filter(({ count }) => count > FILE_LINES),
    [],
  );
  const total = lines.reduce((sum, { count }) => sum + count, 0);
  t.true(total > 0 && total <= NATIVE_LINES, `native/ has ${total} lines, ${NATIVE_LINES} are allowed`);
});

test('package.json has few scripts, which take names: benchmarks and long tests', (t) => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  t.true(Object.keys(scripts).length <= 16, Object.keys(scripts).join(', '));
});

for (const { name, command } of longTests) {
  test(`the long test '${name}' is there and says how it is started`, (t) => {
    if (command) return void t.true(existsSync(join(root, command[0])));
    const text = readFileSync(join(root, 'tests/long', `${name}.ts`), 'utf8');
    t.true(text.includes(`npm run test:long -- ${name}`));
  });
}
