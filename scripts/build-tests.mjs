/**
 * Bundles the tests, and the sources they import, into build/tested/: transpiling on demand would cost each test file a
 * second and a half. AVA's configuration calls it; it takes a second. JavaScript, which that configuration can import.
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const into = join(root, 'build', 'tested');

/** Programs that tests start. */
const PROGRAMS = ['demo', 'generate-operators', 'gpu/main', 'gpu/table'].map((name) => `scripts/${name}.ts`);

/** Keeps `import.meta.url` the address of the source, from which tests find fixtures and scripts. */
const addressesOfSources = {
  name: 'addresses-of-sources',
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8');
      const address = JSON.stringify(pathToFileURL(path).href);
      return { contents: text.replaceAll('import.meta.url', address), loader: 'ts' };
    });
  },
};

/** Writes build/tested/PATH.js for every test of the CPU, tests/…/NAME.test.ts; what they share are chunks. */
export async function buildTests() {
  const names = readdirSync(join(root, 'tests'), { recursive: true, encoding: 'utf8' });
  const tests = names.filter((name) => name.endsWith('.test.ts') && !name.startsWith('cuda'));
  const entries = [...PROGRAMS, ...tests.map((name) => `tests/${name}`)];
  const { outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: entries.map((path) => ({ in: `./${path}`, out: path.replace(/\.ts$/, '') })),
    outdir: into,
    chunkNames: 'chunks/[name]-[hash]',
    plugins: [addressesOfSources],
    bundle: true,
    sourcemap: 'linked',
    sourcesContent: false,
    splitting: true,
    // Messages and printed models contain the names of classes, which a bundler may change.
    keepNames: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    packages: 'external',
    write: false,
  });
  const written = new Set(outputFiles.map(({ path }) => path));
  for (const { path, text } of outputFiles) {
    // Another run may be reading the files.
    if (existsSync(path) && readFileSync(path, 'utf8') === text) continue;
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  for (const name of readdirSync(into, { recursive: true, encoding: 'utf8' })) {
    const path = join(into, name);
    if (/\.js(\.map)?$/.test(name) && !written.has(path)) rmSync(path);
  }
}
