import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { cudaVersion, driverCheck, parseDriverVersion } from '../../src/cli/commands/doctor/cuda.js';

test('the driver names its version in two ways', (t) => {
  const closed =
    'NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.183.01  Sun May 12 19:39:15 UTC 2024\nGCC version: 12';
  const open =
    'NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build  (dvs-builder@U22)';
  t.is(parseDriverVersion(closed), '535.183.01');
  t.is(parseDriverVersion(open), '580.65.06');
  t.is(parseDriverVersion('something else'), null);
});

test('a libtorch says which CUDA it was built with', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'tessera-'));
  t.is(cudaVersion(root), null);
  writeFileSync(join(root, 'version.py'), "__version__ = '2.14.1+cu130'\ncuda: Optional[str] = '13.0'\n");
  t.is(cudaVersion(root), '13.0');
  writeFileSync(join(root, 'build-version'), '2.13.0+cu126\n');
  t.is(cudaVersion(root), '12.6');
  writeFileSync(join(root, 'build-version'), '2.13.0+cpu\n');
  rmSync(join(root, 'version.py'));
  t.is(cudaVersion(root), null);
  rmSync(root, { recursive: true });
});

test('a driver fits a libtorch of its own major version of CUDA, or an older one', (t) => {
  t.is(driverCheck('580.65.06', 13000, '13.1').state, 'ok');
  t.is(driverCheck('580.65.06', 13000, '12.8').state, 'ok');
  t.is(driverCheck(null, null, '13.0').state, 'note');
  const old = driverCheck('535.183.01', 12020, '13.0');
  t.is(old.state, 'missing');
  t.regex(old.text, /535\.183\.01, for CUDA up to 12\.2, but libtorch was built with 13\.0/);
  t.regex(old.mend!, /driver for CUDA 13\.0/);
});
