/**
 * `npm run test:long -- cuda-build`: on a machine without a driver, the CUDA build of libtorch (3 GB to fetch, kept in the cache)
 * gets an addon of its own, in build/cuda; it loads, says that there is no device, and passes the tests of the CPU.
 * LIBTORCH names another build. Exits with 1 where anything fails.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installLibtorch } from '../../src/setup/install.js';
import { locateLibtorch } from '../../src/setup/locate.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

function run(command: string, args: string[], env: NodeJS.ProcessEnv): void {
  const { status } = spawnSync(command, args, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}`);
}

const line = (text: string) => console.error(text);
const cache =
  process.env['LIBTORCH'] ?? (await installLibtorch({ flavor: 'cuda', progress: { line, step: () => {} } }));
const libtorch = locateLibtorch({ ...process.env, LIBTORCH: cache });
if (libtorch.flavor !== 'cuda') throw new Error(`${libtorch.root} is no CUDA build of libtorch`);

const build = ['cmake-js', 'compile', '-G', 'Ninja', '--out', 'build/cuda'];
run('npx', [...build, `--CDTESSERA_LIBTORCH=${libtorch.root}`], {});
const env = { LIBTORCH: libtorch.root, TESSERA_ADDON: join(root, 'build/cuda/Release/tessera.node') };
run(process.execPath, ['dist/cli/main.js', 'doctor'], env);
run('npx', ['ava'], env);
console.log(`the addon for libtorch ${libtorch.version} with CUDA passes the tests of the CPU`);
