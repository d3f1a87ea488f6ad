import test from 'ava';
import { throwFatal, translate } from '../../../src/torch/core/errors.js';
import * as torch from '../../../src/torch/index.js';

/** An error as the addon attaches it. */
const native = (message: string, kind = 'Runtime') => Object.assign(new Error(message), { kind });

test.serial('out of memory on a device is the same class as on the CPU', (t) => {
  const text = 'CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 139 GiB';
  t.true(translate(native(text, 'OutOfMemory')) instanceof torch.OutOfMemoryError);
  t.true(translate(native(text)) instanceof torch.OutOfMemoryError);
  t.true(translate(native('CUDA error: out of memory')) instanceof torch.OutOfMemoryError);
});

// What libtorch adds to every error of CUDA's, in the wheels.
const advice = [
  'CUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace below might be incorrect.',
  'For debugging consider passing CUDA_LAUNCH_BLOCKING=1',
  'Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.',
].join('\n');

for (const text of [
  'operation not permitted when stream is capturing',
  'operation failed due to a previous error during capture',
  'invalid argument',
  'out of memory',
  'invalid configuration argument',
]) {
  test.serial(`an error after which the device goes on is not fatal: ${text}`, (t) => {
    const error = translate(native(`CUDA error: ${text}\n${advice}\n`), 'aten::_local_scalar_dense');
    t.true(error instanceof torch.TorchError && !(error instanceof torch.DeviceAssertError));
    t.is(error instanceof torch.OutOfMemoryError, text === 'out of memory');
    t.notThrows(throwFatal);
  });
}

test.serial('a device that is not there is a DeviceError', (t) => {
  const error = translate(native('CUDA error: invalid device ordinal'));
  t.true(error instanceof torch.DeviceError && !(error instanceof torch.DeviceAssertError));
});

// Last, for it marks the process: here that stands for a device that failed.
test.serial(
  'after a kernel has failed every call to CUDA repeats one fatal error, and the CPU goes on',
  (t) => {
    for (const text of ['device-side assert triggered', 'an illegal memory access was encountered']) {
      const error = translate(native(`CUDA error: ${text}\n${advice}`), 'aten::index.Tensor');
      t.true(error instanceof torch.DeviceAssertError);
      t.true(error instanceof torch.DeviceError);
    }
    for (const ask of [
      () => torch.cuda.synchronize(),
      () => torch.ones([1]).cuda(),
      () => torch.cuda.memoryAllocated(),
    ]) {
      t.throws(ask, { instanceOf: torch.DeviceAssertError, message: /earlier.*device-side assert/ });
    }
    t.is(torch.ones([2]).sum().item(), 2);
  },
);
