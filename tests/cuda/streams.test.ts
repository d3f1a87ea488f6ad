/** Devices, streams, events, memory and pinned copies, where there is a GPU. */
import * as torch from '../../src/torch/index.js';
import { device, onDevice, onGpu } from './device.js';
import { inProcess } from './in-process.js';

const { cuda } = torch;

onGpu('the device has a name, a capability and memory', (t) => {
  t.true(cuda.deviceCount() > 0);
  t.regex(cuda.deviceName(device), /\w/);
  t.true(cuda.deviceCapability(device)[0] >= 5);
  const { free, total } = cuda.memGetInfo(device);
  t.true(free > 0 && free <= total);
  t.throws(() => cuda.setDevice(99), { instanceOf: torch.DeviceError, message: /no device cuda:99/ });
  const before = cuda.currentDevice();
  t.is(
    cuda.withDevice(device, () => cuda.currentDevice()),
    Number(device.split(':')[1] ?? before),
  );
  t.is(cuda.currentDevice(), before);
});

onGpu('a stream waits for another, and its results can be used', (t) => {
  const side = new cuda.Stream(device);
  const outer = cuda.currentStream(device);
  t.false(side.equals(outer));
  const x = torch.ones([1024, 1024], { device });
  side.waitStream(outer);
  const y = cuda.withStream(side, () => {
    t.true(cuda.currentStream(device).equals(side));
    side.recordTensor(x);
    let sum = x;
    for (let i = 0; i < 20; i++) sum = sum.matmul(x).div(1024);
    return sum;
  });
  t.true(cuda.currentStream(device).equals(outer));
  outer.waitStream(side);
  outer.recordTensor(y);
  t.is(y.mean().item(), 1);
  side.synchronize();
  t.true(side.query());
});

onGpu('events tell the time between them', (t) => {
  const [start, end] = [new cuda.Event({ enableTiming: true }), new cuda.Event({ enableTiming: true })];
  t.true(start.query());
  const x = torch.ones([2048, 2048], { device });
  start.record();
  for (let i = 0; i < 10; i++) x.matmul(x);
  end.record();
  end.synchronize();
  t.true(end.query());
  const ms = start.elapsedTime(end);
  t.true(ms > 0 && ms < 60_000, `${ms} ms`);
});

onGpu('pinned memory is copied without waiting, both ways', (t) => {
  const pinned = torch.arange(1 << 20).pinMemory();
  t.true(pinned.isPinned());
  const there = pinned.to(device, { nonBlocking: true });
  const back = torch.empty([1 << 20]).pinMemory();
  back.copy_(there, true);
  cuda.synchronize(device);
  t.is(back.sub(pinned).abs().max().item(), 0);
});

onGpu('memory is counted, its peak kept, and the cache given back', (t) => {
  torch.scope(() => torch.ones([1], { device }));
  cuda.resetPeakMemoryStats(device);
  const before = cuda.memoryAllocated(device);
  const bytes = 64 << 20;
  torch.scope(() => {
    torch.empty([bytes], { dtype: 'uint8', device });
    t.is(cuda.memoryAllocated(device) - before, bytes);
    t.true(torch.memory().bytes[device]! >= bytes);
  });
  t.is(cuda.memoryAllocated(device), before);
  t.true(cuda.maxMemoryAllocated(device) >= before + bytes);
  const reserved = cuda.memoryReserved(device);
  cuda.emptyCache();
  t.true(cuda.memoryReserved(device) <= reserved - bytes);
});

onGpu('TensorFloat-32 is used where it is allowed, and only there', (t) => {
  // Here NVIDIA_TF32_OVERRIDE=0 forbids it.
  const { names } = inProcess(
    `torch.manualSeed(1);
    const x = torch.randn([512, 512], { device: '${device}' });
    const exact = x.double().matmul(x.double());
    const error = () => names.push(String(x.matmul(x).double().sub(exact).abs().max().item()));
    torch.backends.cuda.matmul.allowTf32 = false;
    error();
    torch.backends.cuda.matmul.allowTf32 = true;
    error();`,
    { NVIDIA_TF32_OVERRIDE: undefined },
  );
  const [plain, tensorFloat] = names.map(Number) as [number, number];
  t.true(plain < 1e-3, `${plain}`);
  if (cuda.deviceCapability(device)[0] >= 8)
    t.true(tensorFloat > 2 * plain, `${tensorFloat}, not above ${plain}`);
});

onDevice('deterministic mode refuses an operator that has no deterministic kernel, or lets it pass', (t) => {
  const x = torch.rand([8], { device });
  // Which operators have such kernels changes with the version; this one has none in any.
  const put = () => x.put_(torch.tensor([1n], { device }), torch.ones([1], { device }));
  t.notThrows(put);
  torch.useDeterministicAlgorithms(true);
  t.throws(put, { message: /deterministic/ });
  torch.useDeterministicAlgorithms(true, { warnOnly: true });
  t.notThrows(put);
  torch.useDeterministicAlgorithms(false);
  t.notThrows(put);
});
