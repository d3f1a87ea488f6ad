import type * as Torch from '../../../torch/index.js';
import { attempt } from '../../../files/look.js';
import type { CudaReport } from './cuda.js';

/** Report of the child process of `tessera-torch doctor`, which loads libtorch and computes on each device. */
export interface ProbeReport {
  version: string;
  loadMs: number;
  threads: number;
  devices: { device: string; ok: boolean; text: string }[];
  /** Version of libtorch whose headers the addon was compiled with. */
  builtAgainst: string;
  /** Mismatch between the addon and libtorch; null if there is none. */
  mismatch: string | null;
  cuda: CudaReport;
}

async function report(): Promise<ProbeReport> {
  const started = performance.now();
  const torch = await import('../../../torch/index.js');
  torch.zeros([1]).dispose();
  const loadMs = Math.round(performance.now() - started);
  const { addonMismatch, native } = await import('../../../torch/native/load.js');
  const gpus = Array.from({ length: torch.cuda.deviceCount() }, (_, i): Torch.Device => `cuda:${i}`);
  const devices: Torch.Device[] = ['cpu', ...gpus];
  return {
    version: String(torch.version),
    loadMs,
    threads: torch.getNumThreads(),
    devices: devices.map((device) => tryDevice(torch, device)),
    builtAgainst: native.builtAgainst(),
    mismatch: addonMismatch,
    cuda: await reportCuda(torch),
  };
}

async function reportCuda(torch: typeof Torch): Promise<CudaReport> {
  const { native } = await import('../../../torch/native/load.js');
  const available = torch.cuda.isAvailable();
  const indices = Array.from({ length: torch.cuda.deviceCount() }, (_, i) => i);
  return {
    reason: available ? null : torch.whyNoCuda(),
    driver: attempt(() => native.cuda.driverVersion()), // Null without a driver; the report says so.
    devices: indices.map((i) => {
      const gib = (torch.cuda.memGetInfo(i).total / 2 ** 30).toFixed(0);
      return `${torch.cuda.deviceName(i)}, capability ${torch.cuda.deviceCapability(i).join('.')}, ${gib} GiB`;
    }),
    graphs: torch.cuda.whyNoGraphs(),
  };
}

/** Checks a gradient on a device: d/dx of sum(x @ x) at ones is 2n everywhere. */
function tryDevice(torch: typeof Torch, device: Torch.Device): { device: string; ok: boolean; text: string } {
  const n = 64;
  try {
    const started = performance.now();
    const x = torch.ones([n, n], { device, requiresGrad: true });
    x.matmul(x).sum().backward();
    const gradient = x.grad?.mean().item();
    const ms = (performance.now() - started).toFixed(0);
    const ok = gradient === 2 * n;
    return {
      device,
      ok,
      text: ok ? `matmul and backward in ${ms} ms` : `wrong gradient: ${gradient}, expected ${2 * n}`,
    };
  } catch (error) {
    return { device, ok: false, text: error instanceof Error ? error.message : String(error) };
  }
}

const message = await report().catch((error: unknown) => ({
  error: error instanceof Error ? error.message : String(error),
}));
process.send?.(message, () => process.disconnect?.());
