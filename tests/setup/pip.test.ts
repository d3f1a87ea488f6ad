import { chmodSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import test from 'ava';
import { installLibtorch } from '../../src/setup/install.js';
import { nvidiaRequirements, pipReason } from '../../src/setup/pip.js';
import { archive, folder, libtorchMembers, zip } from './fake-libtorch.js';

test("NVIDIA's requirements are read from a wheel's metadata", (t) => {
  const metadata = [
    'Name: torch',
    'Requires-Dist: filelock',
    'Requires-Dist: cuda-toolkit[cublas,cudart]==13.0.2; platform_system == "Linux"',
    'Requires-Dist: nvidia-cudnn-cu13==9.15.1.9; platform_system == "Linux"',
    'Requires-Dist: triton==3.6.0; platform_system == "Linux"',
    'Requires-Dist: nvidia-nccl-cu13==2.28.9',
  ].join('\n');
  t.deepEqual(nvidiaRequirements(metadata), [
    'cuda-toolkit[cublas,cudart]==13.0.2',
    'nvidia-cudnn-cu13==9.15.1.9',
    'nvidia-nccl-cu13==2.28.9',
  ]);
  t.deepEqual(nvidiaRequirements('Name: torch\n'), []);
});

test("pip's first error is the one to show", (t) => {
  const stderr = 'WARNING: a\nERROR: Could not find a version\nERROR: No matching distribution\n';
  t.is(pipReason(stderr), 'Could not find a version');
  t.is(pipReason('WARNING: a\n'), null);
});

const data = zip(libtorchMembers('torch'));
const pip = { requirement: 'torch==2.13.0+cpu', index: 'https://example.org/cpu', python: '3.11' };
const wheel = archive(data, { file: 'torch.whl', kind: 'wheel', pip });

/** Puts a shell script in the place of python3 for the rest of the test. */
function fakePython(t: ExecutionContext, script: string | null): string {
  const home = folder(t);
  const bin = join(home, 'bin');
  mkdirSync(bin);
  writeFileSync(join(home, 'torch.whl'), data);
  if (script !== null) writePython(home, script);
  const path = process.env['PATH'];
  process.env['PATH'] = bin;
  t.teardown(() => (process.env['PATH'] = path));
  return home;
}

function writePython(home: string, script: string): void {
  const path = join(home, 'bin', 'python3');
  writeFileSync(path, `#!/bin/sh\necho "$@" >> ${home}/calls\n${script}\n`);
  chmodSync(path, 0o755);
}

/** Copies the wheel to the folder after --dest, as `pip download` does. */
const DOWNLOAD = (source: string) => `
case "$*" in *download*) ;; *) echo "pip 25"; exit 0;; esac
while [ "$1" != --dest ]; do shift; done
/bin/cp ${source} "$2"`;

test.serial('the wheel comes through pip, with its own indexes besides ours', async (t) => {
  const home = fakePython(t, '');
  writePython(home, DOWNLOAD(join(home, 'torch.whl')));
  const cache = folder(t);
  const progress = { line() {}, step() {} };
  const path = await installLibtorch({ flavor: 'cpu', cache, progress, archives: [wheel] });
  t.deepEqual(readdirSync(path).sort(), ['build-version', 'include', 'lib', 'tessera.json']);
  const call = readFileSync(join(home, 'calls'), 'utf8').trim().split('\n').at(-1) ?? '';
  t.regex(
    call,
    /^-m pip download --no-deps --only-binary=:all: --python-version 3\.11 --extra-index-url https:/,
  );
  t.true(call.endsWith(' torch==2.13.0+cpu'));
});

test.serial(
  'without python3, without pip, or with a pip that fails: the reason and the way out',
  async (t) => {
    const failures: [string | null, RegExp][] = [
      [null, /wheel through pip: python3 is not installed .*apt-get install/],
      ['case "$*" in *pip*) exit 1;; esac', /wheel through pip: python3 has no pip .*apt-get install/],
      [
        'case "$*" in *download*) echo "ERROR: No matching distribution found" >&2; exit 1;; esac',
        /wheel through pip: No matching distribution found/,
      ],
    ];
    for (const [script, message] of failures) {
      fakePython(t, script);
      const cache = folder(t);
      const install = installLibtorch({
        flavor: 'cpu',
        cache,
        progress: { line() {}, step() {} },
        archives: [wheel],
      });
      await t.throwsAsync(install, { message });
      t.deepEqual(readdirSync(join(cache, 'libtorch')), []);
    }
  },
);
