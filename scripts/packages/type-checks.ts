/** Compiles programs against the packages' declarations, with old and new TypeScript, `skipLibCheck` off. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Check } from './checks.js';
import { installed, npmInstall, Project, type Workshop } from './project.js';
import { blocks } from './readme.js';
import { root } from './stage.js';

/** The oldest that the README promises, the last of each line since, and the newest. */
const COMPILERS = ['5.4', '5.9', '6', '7'];

/** Module resolutions, each with the kind of module that goes with it. */
const RESOLUTIONS = [
  { resolution: 'node16', module: 'node16' },
  { resolution: 'nodenext', module: 'nodenext' },
  { resolution: 'bundler', module: 'esnext' },
];

/** Settings of projects with which declarations might fail. */
const SETTINGS: Record<string, Record<string, unknown>> = {
  'default types': {},
  'no types, only the library of ES2022': { types: [], lib: ['ES2022'] },
  "Node's types": { types: ['node'] },
};

/** Returned and exported without types of their own: each must have a name that a declaration can say. */
const EXPORTED = `
import { loadCheckpoint, modelFromConfig, openImages, openRun, torch, type Checkpoint } from 'tessera-torch';
export const opened = (path: string): Promise<Checkpoint> => loadCheckpoint(path);
export const checkpoint = (path: string) => loadCheckpoint(path);
export const run = (path: string) => openRun(path, 'vqgan');
export const images = (path: string) => openImages({ path, size: 64 });
export const model = (config: Parameters<typeof modelFromConfig>[0]) => modelFromConfig(config);
export const tensor = () => torch.zeros([2]);
export const generator = () => new torch.Generator();
export const scoped = () => torch.scope(() => torch.ones([1]));
`;

/** The README's programs need Node's types for what they use of Node. */
function programs(): string[] {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  return blocks(readme)
    .filter(({ language }) => language === 'ts')
    .map(({ text }) => text);
}

/** A project with the programs, and the packages without any `@types`. */
function project(workshop: Workshop, name: string, more: readonly string[] = []): Project {
  const made = installed(workshop, name, more);
  made.write('use.ts', readFileSync(join(root, 'tests/declarations/use.ts'), 'utf8'));
  made.write('exported.ts', EXPORTED);
  for (const [index, text] of programs().entries()) made.write(`program-${index + 1}.ts`, text);
  return made;
}

/** Path of a compiler, installed once. */
function compiler(workshop: Workshop, version: string): string {
  const tools = new Project(workshop, join('tools', `typescript-${version}`));
  npmInstall(tools, [`typescript@${version}`]);
  return join(tools.folder, 'node_modules', 'typescript', 'bin', 'tsc');
}

interface Compilation {
  files: readonly string[];
  options?: Record<string, unknown>;
}

function compile(made: Project, tsc: string, { files, options = {} }: Compilation): void {
  for (const { resolution, module } of RESOLUTIONS) {
    const compilerOptions = {
      module,
      moduleResolution: resolution,
      target: 'es2022',
      strict: true,
      skipLibCheck: false,
      noEmit: true,
      ...options,
    };
    made.write('tsconfig.json', JSON.stringify({ compilerOptions, files }, null, 2));
    made.run(`node ${tsc} -p . # ${resolution}`);
  }
}

function declarationCheck(version: string): Check<Workshop> {
  return {
    name: `TypeScript ${version}, declarations`,
    run(workshop) {
      const tsc = compiler(workshop, version);
      const bare = project(workshop, `types-${version}`);
      for (const [name, options] of Object.entries(SETTINGS)) {
        if (name === "Node's types") npmInstall(bare, ['@types/node@20']);
        compile(bare, tsc, { files: ['use.ts'], options });
      }
    },
  };
}

/** Programs that use Node need its types, whoever's declarations they import. */
function programCheck(version: string): Check<Workshop> {
  return {
    name: `TypeScript ${version}, the README's programs`,
    run(workshop) {
      const made = project(workshop, `programs-${version}`, ['@types/node@20']);
      const files = programs().map((_, index) => `program-${index + 1}.ts`);
      compile(made, compiler(workshop, version), { files, options: { types: ['node'] } });
    },
  };
}

/** Everything that a signature mentions can be named where it is exported again. */
function exportedCheck(version: string): Check<Workshop> {
  return {
    name: `TypeScript ${version}, what is exported again`,
    run(workshop) {
      const made = project(workshop, `exported-${version}`);
      const options = { declaration: true, noEmit: false, outDir: 'out' };
      compile(made, compiler(workshop, version), { files: ['exported.ts'], options });
    },
  };
}

/** Three checks for each compiler. */
export const typeChecks: readonly Check<Workshop>[] = COMPILERS.flatMap((version) => [
  declarationCheck(version),
  programCheck(version),
  exportedCheck(version),
]);
