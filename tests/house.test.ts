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
const LOOP_LINES = 150;
const FORCED_TYPES = 5;

function filesBelow(folder: string, pattern: RegExp): string[] {
  const names = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' });
  return names.map((name) => name.replaceAll('\\', '/')).filter((name) => pattern.test(name));
}

const linesOf = (file: string): number => readFileSync(join(root, file), 'utf8').split('\n').length - 1;

/** Lines of TypeScript below some folders that a pattern fits, as FILE: TEXT; an import in several lines is one. */
function linesWith(folders: readonly string[], pattern: RegExp): string[] {
  const files = folders.flatMap((folder) => filesBelow(folder, /\.m?ts$/).map((file) => `${folder}/${file}`));
  return files.flatMap((file) => {
    const text = readFileSync(join(root, file), 'utf8');
    const joined = text.replaceAll(/^import \{[^}]*\}/gm, (names) => names.replaceAll(/\s+/g, ' '));
    const lines = joined.split('\n').filter((line) => pattern.test(line));
    return lines.map((line) => `${file}: ${line.trim()}`);
  });
}

const fileOf = (line: string): string => line.split(':')[0]!;

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
  const native = filesBelow('native', /\.(cc|h)$/).map((file) => `native/${file}`);
  t.deepEqual(
    [...written.map((file) => `src/${file}`), ...native].filter((file) => linesOf(file) > FILE_LINES),
    [],
  );
});

test('types are forced past the compiler in a few places only', (t) => {
  const forced = linesWith(['src'], /as unknown as/);
  const count = forced.reduce((sum, line) => sum + line.split('as unknown as').length - 1, 0);
  t.true(count <= FORCED_TYPES, forced.join('\n'));
});

test('one checker of configurations', (t) => {
  t.deepEqual(linesWith(['src'], /unknown key "/).map(fileOf), ['src/config/read.ts']);
});

test('one writer of files that appear whole, one kind of lock', (t) => {
  const using = (pattern: RegExp) => [...new Set(linesWith(['src', 'scripts'], pattern).map(fileOf))].sort();
  const moves = /^import [^']*\b(rename|link)(Sync)?\b[^']*'node:fs(\/promises)?'/;
  t.deepEqual(
    using(moves),
    ['atomic-file', 'exclusive-file', 'folder', 'lock'].map((name) => `src/files/${name}.ts`),
  );
  t.deepEqual(using(/\bcreateExclusively\(/), ['src/files/exclusive-file.ts', 'src/files/lock.ts']);
});

test('one handler of interrupts', (t) => {
  const listens = /\bprocess\s*\.(on|once|addListener|prepend(Once)?Listener)\(\s*(?!'(SIGUSR1|[a-z]))/;
  t.deepEqual(linesWith(['src', 'scripts'], listens).map(fileOf), ['src/files/interrupt.ts']);
});

test('the training loop is short enough to copy', (t) => {
  const count = linesOf('src/training/train.ts');
  t.true(count <= LOOP_LINES, `src/training/train.ts has ${count} lines, ${LOOP_LINES} are allowed`);
});

test('named exports only', (t) => {
  const defaults = sources.filter((file) =>
    /^export default/m.test(readFileSync(join(root, 'src', file), 'utf8')),
  );
  t.deepEqual(defaults, []);
});

test('the native layer stays thin', (t) => {
  // Optional parts have folders of their own and do not count.
  const files = filesBelow('native', /^[^/]+\.(cc|h)$/);
  const total = files.reduce((sum, file) => sum + linesOf(`native/${file}`), 0);
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
