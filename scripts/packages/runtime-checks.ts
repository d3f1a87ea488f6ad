/** Loads the packages in each Node, as ES module and CommonJS, in threads, under permissions, and in Bun and Deno. */
import { join } from 'node:path';
import type { Check } from './checks.js';
import { lay } from './materials.js';
import { COMMONJS, ESM, GARBAGE, STACK } from './programs.js';
import { installed, npmInstall, Project, type Workshop } from './project.js';

const NODES = ['20', '22', '24', '26'];

/** Path of a `node` of the given major version, from the npm registry; the running one is used as it is. */
export function nodeOf(workshop: Workshop, major: string): string {
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath;
  const name = `node-${process.platform}-${process.arch}`;
  return binary(workshop, `${name}@${major}`, join(name, 'bin', 'node'));
}

/** A program that a package brings as a file of its own: scripts that would put it elsewhere are not run. */
function binary(workshop: Workshop, name: string, path: string): string {
  const tools = new Project(workshop, join('tools', name.replace(/\W+/g, '-')));
  npmInstall(tools, [name]);
  const program = join(tools.folder, 'node_modules', path);
  tools.run(`chmod +x '${program}'`);
  return program;
}

const WORKER = `
import { isMainThread, Worker } from 'node:worker_threads';
import { torch } from 'tessera-torch';
const sum = torch.ones([1000]).sum().item();
if (isMainThread) {
  const ends = [1, 2, 3].map(() => new Promise((resolve, reject) =>
    new Worker(new URL(import.meta.url)).on('error', reject).on('exit', resolve)));
  const codes = await Promise.all(ends);
  if (codes.some((code) => code !== 0) || torch.ones([2]).sum().item() !== 2) throw new Error('workers: ' + codes);
  console.log('main and workers', sum);
}
`;

const WORKER_ONLY = `
import { Worker } from 'node:worker_threads';
const worker = new Worker("import('tessera-torch').then(({ torch }) => { if (torch.ones([3]).sum().item() !== 3) throw 1; })",
  { eval: true });
worker.on('exit', (code) => console.log('ended', code));
`;

function nodeCheck(major: string): Check<Workshop> {
  return {
    name: `Node ${major}`,
    run(workshop) {
      const node = nodeOf(workshop, major);
      const project = installed(workshop, `node-${major}`);
      project.write('train.mjs', ESM);
      project.write('train.cjs', COMMONJS);
      project.write('worker.mjs', WORKER);
      project.write('worker-only.mjs', WORKER_ONLY);
      project.prints('trained', `${node} train.mjs`);
      project.prints('trained', `${node} train.cjs`);
      project.prints('main and workers 1000', `${node} worker.mjs`);
      project.prints('ended 0', `${node} worker-only.mjs`);
      permissionRuns(workshop, project, node, major);
    },
  };
}

/** With the project, the cache and addons permitted, and nothing else. */
function permissionRuns({ home, materials }: Workshop, project: Project, node: string, major: string): void {
  const flag = major === '20' || major === '22' ? '--experimental-permission' : '--permission';
  const reads = [`${home}/*`, '$LIBTORCH_FOLDER/*'].map((path) => `--allow-fs-read="${path}"`);
  const permitted = `${node} ${flag} --no-warnings --allow-addons ${reads.join(' ')}`;
  project.prints('trained', `${permitted} train.mjs`);
  const command = 'node_modules/tessera-torch/dist/cli/main.js';
  project.prints('--allow-child-process', `${permitted} ${command} doctor`);
  lay(materials, project.folder);
  project.prints(/--allow-fs-write/, `${permitted} ${command} convert last.ckpt weights.safetensors`, {
    code: 1,
  });
  const writing = permitted.replace(' --no-warnings', ' --no-warnings --allow-fs-write="$PWD/*"');
  project.run(`${writing} ${command} train vqgan --data photos --steps 2`);
}

function otherRuntime(name: string, packaged: string, path: string, run: string): Check<Workshop> {
  return {
    name,
    run(workshop) {
      const program = binary(workshop, packaged, path);
      const project = installed(workshop, name.toLowerCase());
      project.write('train.mjs', ESM);
      project.write('train.cjs', COMMONJS);
      project.write('garbage.mjs', GARBAGE);
      for (const file of ['train.mjs', 'train.cjs']) project.prints('trained', `${program} ${run} ${file}`);
      project.prints('held', `${program} ${run} garbage.mjs`);
      project.write('stack.mjs', STACK);
      project.prints('stacked', `${program} ${run} stack.mjs`);
    },
  };
}

/** Runtimes; Bun's and Deno's programs are those of the npm packages for this platform. */
export const runtimeChecks: readonly Check<Workshop>[] = [
  ...NODES.map(nodeCheck),
  otherRuntime('Bun', '@oven/bun-linux-x64', join('@oven', 'bun-linux-x64', 'bin', 'bun'), ''),
  otherRuntime('Deno', '@deno/linux-x64-glibc', join('@deno', 'linux-x64-glibc', 'deno'), 'run -A'),
];
