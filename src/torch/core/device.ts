import { isMainThread } from 'node:worker_threads';
import { deviceName as nameOf } from './device-numbers.js';
import { DeviceError, throwFatal } from './errors.js';
import { translated } from './translated.js';
import { shared } from '../native/copies.js';
import { addonMismatch, cudaLoadError, libtorch, native } from '../native/load.js';

/** The place of a tensor's elements: `cpu`, `cuda` (the current device) or `cuda:0`, `meta` for shapes without memory. */
export type Device = 'cpu' | 'cuda' | `cuda:${number}` | 'meta';

/** Returns the name of a device from libtorch's numbers; the CPU has no index. */
export function deviceName(type: number, index: number): Device {
  return nameOf(type, index) as Device;
}

/** True if a text, for example from a configuration, names a device, present or not. */
export function isDevice(text: string): text is Device {
  return /^(cpu|meta|cuda(:\d+)?)$/.test(text);
}

/** True if this libtorch has CUDA and there is a device to run on. */
export function cudaIsAvailable(): boolean {
  return cudaDeviceCount() > 0;
}

/** Returns the number of CUDA devices; 0 if CUDA cannot be used. */
export function cudaDeviceCount(): number {
  return addonMismatch === null ? native.cuda.deviceCount() : 0;
}

let initialized = false;

/**
 * Checks that CUDA can be used; to be called before anything that touches a device.
 * @throws DeviceError with the reason if CUDA cannot be used; DeviceAssertError after a fatal error
 */
export function requireCuda(): void {
  throwFatal();
  if (initialized) return;
  if (!cudaIsAvailable()) {
    throw new DeviceError(`CUDA is not available: ${whyNoCuda()}; see: npx tessera-torch doctor`);
  }
  translated(() => native.cuda.initialize());
  initialized = true;
}

/** Returns the reason why CUDA cannot be used on this machine. */
export function whyNoCuda(): string {
  if (libtorch.flavor !== 'cuda') return 'this is a libtorch for the CPU only';
  if (process.env['TESSERA_CUDA'] === '0') return 'TESSERA_CUDA=0 forbids it';
  return cudaLoadError ?? addonMismatch ?? 'no NVIDIA device or driver answers';
}

/**
 * Sets how many threads an operator on the CPU may use, in this process.
 *
 * @example
 * ```ts
 * torch.setNumThreads(4);
 * torch.getNumThreads(); // 4
 * ```
 */
export function setNumThreads(count: number): void {
  translated(() => native.setNumThreads(count));
}

/** Returns the number of threads that an operator on the CPU may use. */
export function getNumThreads(): number {
  return native.getNumThreads();
}

/** Memory that is currently allocated. */
export interface Memory {
  /** Live tensors of this thread. */
  tensors: number;
  /** Bytes held by libtorch, by device, for the whole process. */
  bytes: Record<string, number>;
  /** Peak number of bytes held at once, by device. */
  peakBytes: Record<string, number>;
}

/**
 * Counts live tensors and the memory they use.
 *
 * @example
 * ```ts
 * const x = torch.zeros([1024]);
 * const { tensors, bytes } = torch.memory();
 * console.log(tensors, bytes['cpu']); // at least 1 and 4096
 * ```
 */
export function memory(): Memory {
  const { tensors, cpuBytes, cpuPeakBytes } = native.memory();
  const result: Memory = { tensors, bytes: { cpu: cpuBytes }, peakBytes: { cpu: cpuPeakBytes } };
  for (let i = 0; i < cudaDeviceCount(); i++) {
    const counter = native.cuda.memoryStats(i).allocatedBytes;
    result.bytes[`cuda:${i}`] = counter?.current ?? 0;
    result.peakBytes[`cuda:${i}`] = counter?.peak ?? 0;
  }
  return result;
}

// The budget belongs to the process: loading another copy of the package, or a worker, does not change it.
if (shared.memoryBudget === undefined) {
  shared.memoryBudget = Math.floor(0.9 * process.availableMemory());
  if (isMainThread) native.setMemoryBudget(shared.memoryBudget);
}

/**
 * Returns how many bytes libtorch's tensors may take on the CPU. Default: 90% of the memory that was free when the
 * library was loaded.
 */
export function memoryBudget(): number {
  return shared.memoryBudget!;
}

/**
 * Sets the memory budget: an allocation beyond it throws OutOfMemoryError, and smaller ones still work. Without it the
 * system would grant more than there is and kill the process once the memory is touched.
 *
 * @example
 * ```ts
 * torch.setMemoryBudget(4 * 2 ** 30); // 4 GiB
 * ```
 */
export function setMemoryBudget(bytes: number): void {
  translated(() => native.setMemoryBudget(bytes));
  shared.memoryBudget = bytes;
}
