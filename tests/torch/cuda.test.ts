import test from 'ava';
import * as torch from '../../src/torch/index.js';

const { cuda } = torch;
const without = cuda.isAvailable() ? test.skip : test;

without('without CUDA there is no device, and asking for that never throws', (t) => {
  t.false(cuda.isAvailable());
  t.is(cuda.deviceCount(), 0);
  t.deepEqual(Object.keys(torch.memory().bytes), ['cpu']);
});

const impossible: Record<string, () => unknown> = {
  'a tensor moved to it': () => torch.ones([2]).cuda(),
  'a tensor made on it': () => torch.zeros([2], { device: 'cuda' }),
  'an operator that names it': () => torch.onesLike(torch.ones([1]), { device: 'cuda:0' }),
  'a generator of its own': () => new torch.Generator('cuda'),
  'its default generator': () => torch.defaultGenerator('cuda:0'),
  'pinned memory': () => torch.ones([2]).pinMemory(),
  'the name': () => cuda.deviceName(),
  'the capability': () => cuda.deviceCapability(0),
  'the current device': () => cuda.currentDevice(),
  'another current device': () => cuda.setDevice(0),
  'a function on a device': () => cuda.withDevice('cuda:0', () => 1),
  'waiting for it': () => cuda.synchronize(),
  'a stream': () => new cuda.Stream(),
  'the current stream': () => cuda.currentStream(),
  'the default stream': () => cuda.defaultStream(0),
  'an event': () => new cuda.Event({ enableTiming: true }),
  'its memory statistics': () => cuda.memoryStats(),
  'its memory in use': () => cuda.memoryAllocated(),
  'its peak': () => cuda.maxMemoryReserved(0),
  'a new peak': () => cuda.resetPeakMemoryStats(),
  'its free memory': () => cuda.memGetInfo(),
  'emptying its cache': () => cuda.emptyCache(),
};

for (const [what, ask] of Object.entries(impossible)) {
  without(`without CUDA, ${what} is a DeviceError`, (t) => {
    const error = t.throws(ask, { instanceOf: torch.DeviceError });
    t.false(error instanceof torch.DeviceAssertError);
    if (what !== 'pinned memory')
      t.regex(error.message, /CUDA is not available: .+; see: npx tessera-torch doctor$/);
  });
}

test('a tensor on the CPU is not pinned', (t) => {
  t.false(torch.ones([2]).isPinned());
});

test('a non-blocking copy gives the same values', (t) => {
  const x = torch.arange(6).reshape([2, 3]);
  const copy = x.to('cpu', { nonBlocking: true, copy: true });
  t.deepEqual(copy.tolist(), x.tolist());
  t.not(copy.storage.address, x.storage.address);
  t.deepEqual(x.to({ dtype: 'float64', nonBlocking: true }).tolist(), x.tolist());
});

const flags: Record<string, { get: () => boolean; set: (on: boolean) => void; atFirst: boolean }> = {
  'TF32 in products': {
    get: () => torch.backends.cuda.matmul.allowTf32,
    set: (on) => (torch.backends.cuda.matmul.allowTf32 = on),
    atFirst: false,
  },
  'TF32 in convolutions': {
    get: () => torch.backends.cudnn.allowTf32,
    set: (on) => (torch.backends.cudnn.allowTf32 = on),
    atFirst: true,
  },
  'the search for algorithms': {
    get: () => torch.backends.cudnn.benchmark,
    set: (on) => (torch.backends.cudnn.benchmark = on),
    atFirst: false,
  },
  'deterministic convolutions': {
    get: () => torch.backends.cudnn.deterministic,
    set: (on) => (torch.backends.cudnn.deterministic = on),
    atFirst: false,
  },
  'deterministic algorithms': {
    get: () => torch.areDeterministicAlgorithmsEnabled(),
    set: (on) => torch.useDeterministicAlgorithms(on),
    atFirst: false,
  },
};

for (const [what, { get, set, atFirst }] of Object.entries(flags)) {
  test.serial(`${what}: a flag that can be set and read anywhere`, (t) => {
    t.is(get(), atFirst);
    set(!atFirst);
    t.is(get(), !atFirst);
    set(atFirst);
    t.is(get(), atFirst);
  });
}

test.serial('deterministic algorithms: an operator that has none throws, or only warns', (t) => {
  const indices = torch.tensor([0, 1, 0], { dtype: 'int64' });
  const put = () =>
    torch
      .zeros([2])
      .put_(indices, torch.ones([3]), false)
      .numel();
  t.is(put(), 2);
  torch.useDeterministicAlgorithms(true);
  try {
    t.throws(put, { instanceOf: torch.TorchError, message: /deterministic/ });
    torch.useDeterministicAlgorithms(true, { warnOnly: true });
    t.is(put(), 2);
  } finally {
    torch.useDeterministicAlgorithms(false);
  }
});
