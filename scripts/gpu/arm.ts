/** Functions that our arms of gpu-check share: requests, timing, flags and memory. */
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { torch } from 'tessera-torch';
import type { Tensor } from 'tessera-torch';

export interface ArmOptions {
  device: torch.Device;
  tiny: boolean;
}

export function armOptions(): ArmOptions {
  const { values } = parseArgs({ options: { device: { type: 'string' }, tiny: { type: 'boolean' } } });
  return { device: values.device as torch.Device, tiny: values.tiny ?? false };
}

/** One JSON request a line on standard input, one JSON answer a line on standard output; what fails is an answer, too. */
export async function serve(answer: (request: never) => unknown): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    let found: unknown;
    try {
      found = answer(JSON.parse(line) as never);
    } catch (error) {
      const { name, message, stack } = error as Error;
      console.error(stack);
      found = { error: `${name}: ${message}` };
    }
    console.log(JSON.stringify(found));
  }
}

/** Waits until the device has done everything. */
export function synchronize(device: torch.Device): void {
  if (device !== 'cpu') torch.cuda.synchronize(device);
}

export interface Timing {
  /** Mean seconds of a run, the device's work included. */
  seconds: number;
  /** The host's part of it, which ends when all is launched. */
  host: number;
}

export function timing(device: torch.Device, run: () => void, steps: number, warmups: number): Timing {
  for (let i = 0; i < warmups; i++) run();
  synchronize(device);
  const start = performance.now();
  for (let i = 0; i < steps; i++) run();
  const host = performance.now() - start;
  synchronize(device);
  return { seconds: (performance.now() - start) / 1000 / steps, host: host / 1000 / steps };
}

/** Gives cached memory back: the other arms live on the same device. */
export function tidy(device: torch.Device): void {
  if (device !== 'cpu') torch.cuda.emptyCache();
}

export function versions(): Record<string, string> {
  return { node: process.version, libtorch: torch.version };
}

/** FLOP/s of a bfloat16 matrix product of random square matrices. */
export function matmulRate(device: torch.Device, size: number): number {
  const square = (): Tensor => torch.randn([size, size], { device }).to('bfloat16');
  const rate = torch.scope(() => {
    const [a, b] = [square(), square()];
    const { seconds } = timing(device, () => torch.scope(() => void a.matmul(b)), 10, 3);
    return (2 * size ** 3) / seconds;
  });
  tidy(device);
  return rate;
}

/** Allows float32 products and convolutions to use TensorFloat-32, or not, and looks for the fastest convolutions. */
export function setFlags({ tf32 }: { tf32: boolean }): void {
  torch.backends.cuda.matmul.allowTf32 = tf32;
  torch.backends.cudnn.allowTf32 = tf32;
  torch.backends.cudnn.benchmark = true;
}

/** Starts counting now; gives the most bytes that tensors have taken since. 0 on the CPU. */
export function peakMemory(device: torch.Device): () => number {
  if (device === 'cpu') return () => 0;
  torch.cuda.resetPeakMemoryStats(device);
  return () => torch.cuda.maxMemoryAllocated(device);
}
