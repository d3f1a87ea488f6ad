import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import test from 'ava';

const run = promisify(execFile);
const entry = new URL('../../../dist/index.js', import.meta.url).href;
const load = `import(${JSON.stringify(entry)})`;
const inWorker = `new (require('node:worker_threads').Worker)(${JSON.stringify(load)}, { eval: true })`;

/** What libgomp says about itself when it is opened. */
async function settings(code: string, env: NodeJS.ProcessEnv): Promise<string> {
  const { GOMP_SPINCOUNT: _, OMP_WAIT_POLICY: __, ...rest } = process.env;
  const { stderr } = await run(process.execPath, ['-e', code], {
    env: { ...rest, NODE_OPTIONS: '', OMP_DISPLAY_ENV: 'verbose', ...env },
  });
  return stderr;
}

const withLibgomp = process.platform === 'linux' ? test : test.skip;
const nested = `new (require('node:worker_threads').Worker)(${JSON.stringify(inWorker)}, { eval: true })`;
for (const [where, code, said, env, expected] of [
  ['the main thread', load, 'nothing', {}, "GOMP_SPINCOUNT = '10000'"],
  ['a worker', inWorker, 'nothing', {}, "GOMP_SPINCOUNT = '10000'"],
  ['a worker', inWorker, 'a count', { GOMP_SPINCOUNT: '77' }, "GOMP_SPINCOUNT = '77'"],
  ['a worker', inWorker, 'a policy', { OMP_WAIT_POLICY: 'passive' }, "GOMP_SPINCOUNT = '0'"],
  ['a worker of a worker', nested, 'nothing', {}, "GOMP_SPINCOUNT = '10000'"],
] as const) {
  withLibgomp(
    `how long threads spin, libtorch loaded first in ${where}, the user having said ${said}`,
    async (t) => {
      t.true((await settings(code, env)).includes(expected));
    },
  );
}
