import { execFile, spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { packageRoot } from '../../src/files/package.js';
import { folder, writeLibtorch } from '../setup/fake-libtorch.js';
import { tessera, tesseraHere } from './tessera.js';

const main = join(packageRoot(), 'dist', 'cli', 'main.js');

/** Runs the command line with a cache of its own that is empty. */
async function withoutCache(
  run: typeof tessera | typeof tesseraHere,
  args: string[],
  env: NodeJS.ProcessEnv = {},
) {
  const cache = mkdtempSync(join(tmpdir(), 'tessera-test-'));
  const none = { LIBTORCH: undefined, LIBTORCH_USE_PYTORCH: undefined, TESSERA_CACHE: cache };
  const outcome = await run(args, { ...none, ...env });
  rmSync(cache, { recursive: true, force: true });
  return outcome;
}
const here = (args: string[], env?: NodeJS.ProcessEnv) => withoutCache(tesseraHere, args, env);
const apart = (args: string[], env?: NodeJS.ProcessEnv) => withoutCache(tessera, args, env);

test('help and version are answers, not errors', async (t) => {
  const help = await apart(['--help']);
  t.is(help.code, 0);
  t.regex(help.stdout, /setup.*\n.*doctor/s);
  const version = await here(['--version']);
  const manifest = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as {
    version: string;
  };
  t.deepEqual([version.code, version.stdout.trim()], [0, manifest.version]);
});

test('wrong usage ends with code 2 and a suggestion', async (t) => {
  const cases: [string[], RegExp][] = [
    [['setup', '--devise', 'cpu'], /unknown option '--devise'[^]*--device/],
    [['setup', '--device', 'tpu'], /Allowed choices are auto, cpu, cuda/],
    [['setup', '--from'], /argument missing/],
    [['setup', '--allow-unverified'], /needs --from/],
    [['setup', 'extra'], /too many arguments/],
    [['docter'], /unknown command 'docter'[^]*doctor/],
    [[], /Usage: npx tessera-torch \[options\]/],
  ];
  for (const [args, expected] of cases) {
    const { code, stderr } = await (args.length > 0 ? here : apart)(args);
    t.is(code, 2, args.join(' '));
    t.regex(stderr, expected);
  }
});

test('a failure ends with code 1 and one message', async (t) => {
  const { code, stderr } = await apart(['setup', '--no-build', '--from', '/nowhere.zip']);
  t.is(code, 1);
  t.is(stderr.trim(), 'error: --from /nowhere.zip: there is no such file or folder');
  const given = await here(['setup', '--no-build'], { LIBTORCH: '/nowhere' });
  t.is(given.code, 1);
  t.regex(given.stderr, /^error: LIBTORCH is \/nowhere/);
});

test('a cache that cannot be written is named, with the way out', async (t) => {
  const { code, stderr } = await here(['setup', '--no-build'], { TESSERA_CACHE: '/dev/null/cache' });
  t.is(code, 1);
  t.regex(stderr, /\/dev\/null\/cache.*TESSERA_CACHE/);
});

test('doctor without libtorch says what is missing and what mends it', async (t) => {
  const text = await here(['doctor']);
  t.is(text.code, 1);
  t.regex(text.stdout, /missing\s+libtorch[^]*→ npx tessera-torch setup/);
  const json = await here(['doctor', '--json']);
  t.is(json.code, 1);
  const report = JSON.parse(json.stdout) as { ok: boolean; checks: { name: string; state: string }[] };
  t.false(report.ok);
  t.is(report.checks.find(({ name }) => name === 'libtorch')?.state, 'missing');
});

test('a build without cmake, or with an old one, or without a compiler, names what to install', async (t) => {
  const bin = folder(t);
  const LIBTORCH = writeLibtorch(folder(t));
  const build = async (expected: RegExp) => {
    const { code, stderr } = await here(['setup', '--build'], { LIBTORCH, PATH: bin, CXX: undefined });
    t.is(code, 1);
    t.regex(stderr, expected);
  };
  const writeCmake = (version: string) => {
    writeFileSync(join(bin, 'cmake'), `#!/bin/sh\necho cmake version ${version}\n`);
    chmodSync(join(bin, 'cmake'), 0o755);
  };
  await build(/^error: cmake is not installed; install .*cmake/m);
  writeCmake('3.19.8');
  await build(/^error: cmake version 3\.19\.8 is too old: 3\.20 is needed/m);
  writeCmake('4.1.0');
  await build(/^error: no C\+\+ compiler is installed; install/m);
});

test('Ctrl-C ends a set-up with code 130 and leaves nothing', async (t) => {
  const cache = folder(t);
  const env = { ...process.env, TESSERA_CACHE: cache, LIBTORCH: '' };
  const args = [main, 'setup', '--device', 'cpu', '--no-build'];
  const child = spawn(process.execPath, args, {
    env,
    cwd: packageRoot(),
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let interrupted = false;
  child.stderr.on('data', (text: Buffer) => {
    if (!interrupted && text.includes('fetching')) interrupted = child.kill('SIGINT');
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  t.is(code, 130);
  t.true(existsSync(join(cache, 'libtorch')));
  t.deepEqual(readdirSync(join(cache, 'libtorch')), []);
});

test('doctor on a whole set-up computes on the CPU', async (t) => {
  // The libtorch that the other tests run on, wherever it comes from.
  const { TESSERA_CACHE, LIBTORCH, LIBTORCH_USE_PYTORCH } = process.env;
  const { code, stdout } = await apart(['doctor', '--json'], {
    TESSERA_CACHE,
    LIBTORCH,
    LIBTORCH_USE_PYTORCH,
  });
  const report = JSON.parse(stdout) as {
    ok: boolean;
    checks: { name: string; state: string; text: string }[];
  };
  t.deepEqual([code, report.ok], [0, true], stdout);
  t.regex(report.checks.find(({ name }) => name === 'cpu')?.text ?? '', /matmul and backward/);
});

test('doctor outlives libraries that do not load', async (t) => {
  const LIBTORCH = writeLibtorch(folder(t));
  const { code, stdout } = await here(['doctor'], { LIBTORCH, TESSERA_ADDON: main });
  t.is(code, 1);
  t.regex(stdout, /missing\s+loading\s.*libc10[^]*→ npx tessera-torch setup --force/);
});

test('a deleted working folder is reported, and does not crash the process', async (t) => {
  const gone = join(folder(t), 'gone');
  const built = join(packageRoot(), 'dist', 'cli', 'main.js');
  const line = `mkdir '${gone}' && cd '${gone}' && rmdir '${gone}' && exec '${process.execPath}' '${built}' inspect x`;
  const { code, stderr } = await new Promise<{ code: unknown; stderr: string }>((resolve) => {
    execFile('sh', ['-c', line], (error, _stdout, text) => resolve({ code: error?.code, stderr: text }));
  });
  t.is(code, 1);
  t.regex(stderr, /^error: the working directory no longer exists.*change to an existing directory\n$/);
});
