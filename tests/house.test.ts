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
  ['reports', 'tokenizer'],
  ['runs'],
  ['sampling'],
  ['models', 'data', 'metrics'],
  ['config'],
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

/** Files that a file needs when it runs: `import type` and lists of nothing but types are left out. */
function valueImportsOf(file: string): string[] {
  const text = readFileSync(join(root, 'src', file), 'utf8');
  const statement = /^(?:import|export)\s+(?!type\b)([^'";]*?)(?:\bfrom\s+)?'(\.{1,2}\/[^']+)'/gm;
  const onlyTypes = /^\{(\s*type\s[^,}]*,?)+\s*\}\s*$/;
  const loaded = [...text.matchAll(statement)].filter(([, names = '']) => !onlyTypes.test(names));
  const later = [...text.matchAll(/await (import)\('(\.{1,2}\/[^']+)'\)/g)];
  return [...loaded, ...later].map(([, , path = '']) =>
    posix.join(posix.dirname(file), path.replace(/\.js$/, '.ts')),
  );
}

/** The circles in a graph of imports, each as the chain of files that leads back to its first. */
function circlesOf(imports: ReadonlyMap<string, readonly string[]>): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const walk = (file: string, way: readonly string[]): void => {
    if (way.includes(file)) return void found.push([...way.slice(way.indexOf(file)), file].join(' → '));
    if (done.has(file)) return;
    for (const target of imports.get(file) ?? []) walk(target, [...way, file]);
    done.add(file);
  };
  for (const file of imports.keys()) walk(file, []);
  return found;
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

test('no circle of value imports anywhere in src', (t) => {
  t.deepEqual(circlesOf(new Map(sources.map((file) => [file, valueImportsOf(file)]))), []);
});

/** Folders that the ground floor of the tensor library may use at run time, by folder. */
const GROUND: Readonly<Record<string, readonly string[]>> = {
  'torch/core': ['torch/core', 'torch/native', 'files'],
  'torch/checks': ['torch/checks', 'torch/core', 'torch/native'],
};

test('the ground floor of the tensor library imports nothing that stands on it', (t) => {
  const wrong = sources.flatMap((file) => {
    const below = GROUND[posix.dirname(file)];
    const up = valueImportsOf(file).filter((target) => below && !below.includes(posix.dirname(target)));
    return up.map((target) => `${file} imports ${target}`);
  });
  t.deepEqual(wrong, []);
});

test('hand-written files are short', (t) => {
  const written = sources.filter((file) => !file.endsWith('.generated.ts'));
  const linesOf = (file: string) => readFileSync(join(root, 'src', file), 'utf8').split('\n').length - 1;
  t.deepEqual(
    written.filter((file) => linesOf(file) > FILE_LINES),
    [],
  );
});

test('types are forced past the compiler in a few known places only', (t) => {
  const forced = sources.filter((file) =>
    /as unknown as/.test(readFileSync(join(root, 'src', file), 'utf8')),
  );
  t.deepEqual(forced.sort(), [
    'models/two-stage.ts',
    'runs/config.ts',
    'torch/core/tensor.ts',
    'torch/nn/functional/layers.ts',
    'training/engine/optimizers.ts',
  ]);
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
