import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { collectReference, type Entry } from '../../scripts/reference/collect.js';
import { packageRoot } from '../../src/files/package.js';

// Of dist, which `npm test` builds first.
const reference = collectReference();
const typescript = createRequire(import.meta.url).resolve('typescript/package.json');
const tsc = join(dirname(typescript), 'bin', 'tsc');

interface Example {
  path: string;
  code: string;
}

function examplesOf(path: string, { documentation, members }: Entry): Example[] {
  const texts = [documentation, ...members.map((member) => member.documentation)];
  return texts.flatMap((text) =>
    [...text.matchAll(/@example\s*```ts\n([^]*?)```/g)].map(([, code]) => ({ path, code: code! })),
  );
}

const examples = [...reference].flatMap(([namespace, entries]) =>
  entries.flatMap((entry) => examplesOf(namespace ? `${namespace}.${entry.name}` : entry.name, entry)),
);

/** Returns an example with its import from the package's root, which examples are written without. */
function moduleOf(code: string): string {
  const names = ['torch', 'nn', 'F', 'optim', ...reference.get('')!.map(({ name }) => name)];
  const words = new Set(code.replace(/\/\/.*|'[^'\n]*'/g, '').match(/(?<![.\w])\w+/g));
  // `const { train } = …` declares the name itself.
  const declared = new Set(
    [...code.matchAll(/const \{([^}]*)\}/g)].flatMap(([, list]) => list!.match(/\w+/g)),
  );
  const used = [...new Set(names)].filter((name) => words.has(name) && !declared.has(name));
  return `import { ${used.map((name) => (name === 'Tensor' ? 'type Tensor' : name)).join(', ')} } from 'tessera-torch';\n${code}`;
}

async function typeErrors(modules: readonly string[]): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'tessera-examples-'));
  try {
    await Promise.all(modules.map((text, i) => writeFile(join(folder, `${i}.mts`), text)));
    const compilerOptions = {
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      target: 'es2022',
      lib: ['es2022', 'esnext.disposable', 'dom'],
      module: 'nodenext',
      types: [],
      paths: { 'tessera-torch': [join(packageRoot(), 'dist', 'index.d.ts')] },
    };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.mts'] }));
    return (await promisify(execFile)(process.execPath, [tsc, '-p', folder], { cwd: folder })).stdout;
  } catch (error) {
    return (error as { stdout?: string }).stdout || String(error);
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('examples in docstrings compile', async (t) => {
  t.true(examples.length > 60);
  const errors = await typeErrors(examples.map(({ code }) => moduleOf(code)));
  t.is(
    errors.replaceAll(/^(\d+)\.mts/gm, (_, i: string) => examples[Number(i)]!.path),
    '',
  );
});

test('every class of the package root has an example', (t) => {
  const shown = new Set(examples.map(({ path }) => path));
  const classes = reference.get('')!.filter(({ kind, name }) => kind === 'class' && name !== 'Tensor');
  t.true(classes.length >= 50);
  t.deepEqual(
    classes.map(({ name }) => name).filter((name) => !shown.has(name)),
    [],
  );
});
