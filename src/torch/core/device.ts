import { isMainThread } from 'node:worker_threads';
import { deviceName as nameOf } from './device-numbers.js';
import { DeviceError, throwFatal, translate } from './errors.js';
import { shared } from '../native/copies.js';
import { addonMismatch, cudaLoadError, libtorch, native } from '../native/load.js';

/** Where a tensor lives: `cpu`, `cuda` (the current one) or `cuda:0`, `meta` for shapes without memory. */
export type Device = 'cpu' | 'cuda' | `cuda:${number}` | 'meta';

/** Name of a device by libtorch's numbers: the CPU has no index. */
export function deviceName(type: number, index: number): Device {
  return nameOf(type, index) as Device;
}

/** Whether a text, from a configuration say, names a device. Whether that device is there is another question. */
export function isDevice(text: string): text is Device {
  return /^(cpu|meta|cuda(:\d+)?)$/.test(text);
}

/** Whether this libtorch has CUDA and a device to run on. */
export function cudaIsAvailable(): boolean {
  return cudaDeviceCount() > 0;
}

/** Number of CUDA devices; 0 where CUDA cannot be used. */
export function cudaDeviceCount(): number {
  return addonMismatch === null ? native.cuda.deviceCount() : 0;
}

let initialized = false;

/**
 * Goes before everything that touches a device.
 * @throws DeviceError that says why CUDA cannot be used, where that is so; DeviceAssertError after a fatal error
 */
export function requireCuda(): void {
  throwFatal();
  if (initialized) return;
  if (!cudaIsAvailable()) {
    throw new DeviceError(`CUDA is not available: ${whyNoCuda()}; see: npx tessera-torch doctor`);
  }
  try {
    native.cuda.initialize();
  } catch (error) {
    throw translate(error);
  }
  initialized = true;
}

/** Why there is no CUDA to use, in a machine where that is so. */
export function whyNoCuda(): string {
  if (libtorch.flavor !== 'cuda') return 'this is a libtorch for the CPU only';
  if (process.env['TESSERA_CUDA'] === '0') return 'TESSERA_CUDA=0 forbids it';
  return cudaLoadError ?? addonMismatch ?? 'no NVIDIA device or driver answers';
}

/** Number of threads that operators run on, in this process. */
export function setNumThreads(count: number): void {
  try {
    native.setNumThreads(count);
  } catch (error) {
    throw translate(error);
  }
}

/** How many threads an operator on the CPU may use. */
export function getNumThreads(): number {
  return native.getNumThreads();
}

/** What is allocated. */
export interface Memory {
  /** Live tensors of this thread. */
  tensors: number;
  /** Bytes held by libtorch, by device, for the whole process. */
  bytes: Record<string, number>;
  /** The most that was held at once. */
  peakBytes: Record<string, number>;
}

/** Counts live tensors and the memory behind them. */
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

// The budget is the process's: a worker, or another copy of the package, leaves it as it is.
if (shared.memoryBudget === undefined) {
  shared.memoryBudget = Math.floor(0.9 * process.availableMemory());
  if (isMainThread) native.setMemoryBudget(shared.memoryBudget);
}

/** Bytes that libtorch's tensors may take on the CPU; by default 90% of what was free when the library was loaded. */
export function memoryBudget(): number {
  return shared.memoryBudget!;
}

/**
 * Sets the budget: an allocation beyond it throws OutOfMemoryError, after which smaller ones work. Without it the
 * system would grant more than there is and kill the process once the memory is touched.
 */
export function setMemoryBudget(bytes: number): void {
  try {
    native.setMemoryBudget(bytes);
  } catch (error) {
    throw translate(error);
  }
  shared.memoryBudget = bytes;
}
