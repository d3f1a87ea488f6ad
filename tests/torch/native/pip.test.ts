import test from 'ava';
import { nvidiaRequirements, pipReason } from '../../../src/torch/native/libtorch/pip.js';

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
