import test from 'ava';
import { translate } from '../../src/torch/errors.js';
import * as torch from '../../src/torch/index.js';

/** An error as the addon attaches it. */
const native = (message: string, kind = 'Runtime') => Object.assign(new Error(message), { kind });

test.serial('out of memory on a device is the same class as on the CPU', (t) => {
  const text = 'CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 139 GiB';
  t.true(translate(native(text, 'OutOfMemory')) instanceof torch.OutOfMemoryError);
  t.true(translate(native(text)) instanceof torch.OutOfMemoryError);
  t.true(translate(native('CUDA error: out of memory')) instanceof torch.OutOfMemoryError);
});

test.serial('a device that is not there is a DeviceError', (t) => {
  const error = translate(native('CUDA error: invalid device ordinal'));
  t.true(error instanceof torch.DeviceError && !(error instanceof torch.DeviceAssertError));
});

// Last, for it marks the process: here that stands for a device that failed.
test.serial(
  'after a kernel has failed every call to CUDA repeats one fatal error, and the CPU goes on',
  (t) => {
    for (const text of ['device-side assert triggered', 'an illegal memory access was encountered']) {
      const error = translate(
        native(`CUDA error: ${text}\nCompile with TORCH_USE_CUDA_DSA`),
        'aten::index.Tensor',
      );
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
