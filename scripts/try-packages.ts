/**
 * Tests the packages of `npm run pack` as users use them, in new projects: installs them with npm, pnpm and Yarn, runs
 * every command and program of the README, compiles against the declarations with old and new TypeScript, and loads
 * them in other runtimes, test runners and bundlers. Packs first; needs the npm registry. Run it with:
 *
 *   npm run try-packages -- [--only NAME] [--strict] [--list]
 *
 * Prints a table at the end; the exit code is 1 if a check failed. `--only` takes the beginning of a check's name,
 * `--strict` stops at the first failure.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { platformPackage } from '../src/setup/addon-path.js';
import { locateLibtorch } from '../src/setup/locate.js';
import { cacheRoot } from '../src/setup/platform.js';
import { bundlerChecks } from './packages/bundler-checks.js';
import { type Check, runChecks, table } from './packages/checks.js';
import { makeMaterials } from './packages/materials.js';
import type { Workshop } from './packages/project.js';
import { readmeChecks } from './packages/readme-checks.js';
import { runnerChecks } from './packages/runner-checks.js';
import { runtimeChecks } from './packages/runtime-checks.js';
import { manifest, root } from './packages/stage.js';
import { typeChecks } from './packages/type-checks.js';

const checks: readonly Check<Workshop>[] = [
  ...readmeChecks,
  ...typeChecks,
  ...runtimeChecks,
  ...runnerChecks,
  ...bundlerChecks,
];

/** Creates a separate cache, so that the user's is not changed; libtorch is read from its existing location. */
function shareLibtorch(home: string): string {
  const cache = join(home, 'cache');
  mkdirSync(cache);
  const installed = join(cacheRoot(), 'libtorch');
  if (existsSync(installed)) symlinkSync(installed, join(cache, 'libtorch'));
  return cache;
}

/** Returns the environment without variables that would point to the checkout or let npx install packages. */
function environment(home: string): NodeJS.ProcessEnv {
  const { LIBTORCH: _a, TESSERA_ADDON: _b, NODE_OPTIONS: _c, ...outer } = process.env;
  const own = Object.fromEntries(Object.entries(outer).filter(([name]) => !name.startsWith('npm_')));
  return {
    ...own,
    TESSERA_CACHE: shareLibtorch(home),
    LIBTORCH_FOLDER: locateLibtorch().root,
    TOOLS: join(home, 'tools'),
    npm_config_yes: 'false',
    npm_config_update_notifier: 'false',
    NO_COLOR: '1',
  };
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { only: { type: 'string' }, strict: { type: 'boolean' }, list: { type: 'boolean' } },
  });
  if (values.list) {
    for (const { name } of checks) console.log(name);
    return 0;
  }
  const tarballs = [manifest.name, platformPackage()].map((name) =>
    join(root, 'dist-packages', `${name}-${manifest.version}.tgz`),
  );
  for (const tarball of tarballs)
    if (!existsSync(tarball)) throw new Error(`${tarball} is not there; make it with: npm run pack`);
  const home = mkdtempSync(join(tmpdir(), 'tessera-try-'));
  try {
    const materials = join(home, 'materials');
    await makeMaterials(materials);
    const workshop: Workshop = { home, tarballs, materials, env: environment(home) };
    const { only, strict } = values;
    const outcomes = await runChecks(checks, workshop, {
      ...(only !== undefined && { only }),
      ...(strict && { strict }),
    });
    console.log(`\n${table(outcomes)}`);
    return outcomes.every(({ fault }) => fault === null) ? 0 : 1;
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

process.exitCode = await main().catch((error: unknown) => {
  console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
  return 2;
});
