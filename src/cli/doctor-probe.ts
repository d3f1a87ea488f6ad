import type * as Torch from '../torch/index.js';

/** Child process of `tessera doctor`: loads the tensor library, computes on each device and reports. */
export interface ProbeReport {
  version: string;
  loadMs: number;
  threads: number;
  devices: { device: string; ok: boolean; text: string }[];
}

async function report(): Promise<ProbeReport> {
  const started = performance.now();
  const torch = await import('../torch/index.js');
  torch.zeros([1]).dispose();
  const loadMs = Math.round(performance.now() - started);
  const devices: Torch.Device[] = torch.cudaIsAvailable() ? ['cpu', 'cuda:0'] : ['cpu'];
  return {
    version: String(torch.version),
    loadMs,
    threads: torch.getNumThreads(),
    devices: devices.map((device) => tryDevice(torch, device)),
  };
}

/** d/dx of sum(x @ x) at ones is 2n everywhere. */
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
