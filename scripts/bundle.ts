/**
 * Bundles the sources into the JavaScript of dist/, as importing many small files is slow. Sources that are started as
 * a process, or loaded on demand, remain separate files.
 */
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { build, type Plugin } from 'esbuild';
import { textOf } from '../src/files/look.js';
import { packageRoot } from '../src/files/package.js';

/** Entry points, started by path or imported first; without extension (`.ts` here, `.js` in dist/). */
const ENTRIES = ['index', 'cli/main', 'cli/commands/doctor/doctor-probe'];

/** Modules that the package exports as namespaces: `export * as torch from './torch/index.js'`. */
const NAMESPACES = [
  'torch/index',
  'torch/amp/index',
  'torch/cuda/index',
  'torch/distributed/index',
  'torch/nn/index',
  'torch/nn/init',
  'torch/nn/functional',
  'torch/optim/index',
];

/**
 * Keeps the library in one file, in the execution order of its sources: an import of any part, which would split it,
 * imports the whole library first. The command line, and the commands' definitions, do not load it, so that help is
 * fast.
 */
const oneLibrary: Plugin = {
  name: 'one-library',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^\./ }, ({ path, kind, resolveDir }) => {
      const whole = kind === 'entry-point' && NAMESPACES.some((name) => path === sourceOf(name));
      const late = kind === 'dynamic-import' && !path.endsWith('/command.js');
      if (!whole && !late) return null;
      const source = join(resolveDir, path.replace(/\.js$/, '.ts'));
      return { path: posix.relative(packageRoot(), source), namespace: 'library' };
    });
    onLoad({ filter: /./, namespace: 'library' }, ({ path }) => ({
      contents: `import './src/index.js'; export * from './${path}';`,
      resolveDir: packageRoot(),
    }));
  },
};

function sourceOf(entry: string): string {
  return `./src/${entry}.ts`;
}

/**
 * Replaces the bundler's namespace objects, which consist of getters, with native namespaces, in which `torch.add`
 * takes half the time: each namespace is a separate file and is imported from there.
 */
function withNamespaces(text: string): string {
  const made = /^\/\/ src\/(.+)\.ts\nvar (\w+) = \{\};\n__export\(\2, \{[^]*?^\}\);$/gm;
  return text.replace(made, (_, module: string, name: string) => {
    if (!NAMESPACES.includes(module))
      throw new Error(`src/${module}.ts is exported whole: name it in NAMESPACES`);
    return `// src/${module}.ts\nimport * as ${name} from "../${module}.js";`;
  });
}

/** Returns the names of the functions and classes in a source. */
function declaredIn(source: string): Set<string> {
  const text = readFileSync(join(packageRoot(), source), 'utf8');
  const declared = text.matchAll(/^(?:export )?(?:abstract |async )?(?:function\*?|class) (\w+)/gm);
  return new Set([...declared].map(([, name = '']) => name));
}

/**
 * Returns functions and classes that the bundler renamed because of a conflict (`conv2d2`), with their original names.
 */
function renamedIn(text: string): [made: string, name: string][] {
  const renamed: [string, string][] = [];
  for (const part of text.split(/^\/\/ (?=src\/.+\.ts$)/m).slice(1)) {
    const names = declaredIn(part.slice(0, part.indexOf('\n')));
    for (const [, made, variable] of part.matchAll(/^(?:async )?function\*? (\w+)|^var (\w+) = class\b/gm)) {
      const given = made ?? variable!;
      let name = given;
      while (!names.has(name) && /\d$/.test(name)) name = name.slice(0, -1);
      if (name !== given && names.has(name)) renamed.push([given, name]);
    }
  }
  return renamed;
}

/** Restores the original names of functions and classes, which messages and printed models show. */
function withNames(text: string): string {
  // A class that refers to itself is bundled as `var Module = class _Module`.
  const own = text.replace(/^var (\w+) = class _\1\b[^]*?^\};$/gm, (made, name: string) =>
    made.replace(new RegExp(`\\b_${name}\\b`, 'g'), name),
  );
  const renamed = renamedIn(text).map(([made, name]) => `  [${made}, "${name}"]`);
  if (renamed.length === 0) return own;
  const list = `[\n${renamed.join(',\n')}\n]`;
  const define = 'Object.defineProperty(made, "name", { value, configurable: true })';
  return own.replace(/^(?=export \{$)|(?![^])/m, `for (const [made, value] of ${list}) ${define};\n`);
}

/** Writes the bundled JavaScript below a folder, and removes JavaScript left there by an earlier build. */
export async function bundle(into: string): Promise<void> {
  const { outputFiles } = await build({
    absWorkingDir: packageRoot(),
    entryPoints: [...ENTRIES, ...NAMESPACES].map((out) => ({ in: sourceOf(out), out })),
    outdir: into,
    // Two levels below the package's folder, where `packageRoot` expects its own file.
    chunkNames: 'chunks/[name]-[hash]',
    plugins: [oneLibrary],
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    packages: 'external',
    write: false,
  });
  for (const { path, text } of outputFiles) {
    const made = withNames(withNamespaces(text));
    mkdirSync(dirname(path), { recursive: true });
    // Unchanged files are not rewritten, as running programs may be reading them.
    if (textOf(path) !== made) writeFileSync(path, made);
  }
  const written = new Set(outputFiles.map(({ path }) => path));
  for (const name of readdirSync(into, { recursive: true, encoding: 'utf8' })) {
    const path = join(into, name);
    if (/\.js(\.map)?$/.test(name) && !written.has(path)) rmSync(path);
  }
}
