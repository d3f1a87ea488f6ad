/** A kernel that fails ends CUDA for its process, so each case has a process of its own. */
import { device, onGpu } from './device.js';
import { inProcess } from './in-process.js';

onGpu(
  'an index out of range on the device is one fatal error that every call repeats; the CPU goes on',
  (t) => {
    const { names, signal } = inProcess(`
    const table = torch.ones([4, 2], { device: '${device}' });
    const wrong = torch.tensor([9], { dtype: 'int64' }).to('${device}');
    attempt(() => { torch.embedding(table, wrong); torch.cuda.synchronize(); });
    attempt(() => torch.zeros([1], { device: '${device}' }).add(1).item());
    attempt(() => torch.cuda.memGetInfo());
    names.push(String(torch.ones([2]).sum().item()));`);
    t.deepEqual(names, ['DeviceAssertError', 'DeviceAssertError', 'DeviceAssertError', '2']);
    t.is(signal, null);
  },
);

onGpu('out of memory is an error after which a smaller tensor fits, with its graph too', (t) => {
  const { names, status } = inProcess(`
    attempt(() => torch.empty([2 ** 44], { dtype: 'uint8', device: '${device}' }));
    attempt(() => torch.ones([1 << 20], { device: '${device}', requiresGrad: true }).mul(2).sum().backward());
    names.push(String(torch.cuda.memoryStats('${device}').outOfMemory > 0));`);
  t.deepEqual(names, ['OutOfMemoryError', 'nothing', 'true']);
  t.is(status, 0);
});
