import type { MemoryCounter, MemoryStats } from '../native/cuda-binding.js';
import { deviceIndex, onCuda, type CudaDevice } from './device.js';

export type { MemoryCounter, MemoryStats } from '../native/cuda-binding.js';

const counter = (): MemoryCounter => ({ current: 0, peak: 0, allocated: 0, freed: 0 });

/** Returns all counters of a device's allocator; zeros before the first tensor. */
export function memoryStats(device?: CudaDevice): MemoryStats {
  const index = deviceIndex(device);
  return {
    allocations: counter(),
    segments: counter(),
    allocatedBytes: counter(),
    reservedBytes: counter(),
    activeBytes: counter(),
    requestedBytes: counter(),
    retries: 0,
    outOfMemory: 0,
    ...onCuda((cuda) => cuda.memoryStats(index)),
  };
}

/** Returns the bytes of tensors on a device. */
export function memoryAllocated(device?: CudaDevice): number {
  return memoryStats(device).allocatedBytes.current;
}

/**
 * Returns the peak number of bytes of tensors since `resetPeakMemoryStats`.
 *
 * @example
 * ```ts
 * torch.cuda.resetPeakMemoryStats();
 * const x = torch.zeros([1024, 1024], { device: 'cuda' });
 * console.log(torch.cuda.maxMemoryAllocated()); // at least 4 MiB
 * ```
 */
export function maxMemoryAllocated(device?: CudaDevice): number {
  return memoryStats(device).allocatedBytes.peak;
}

/** Returns the bytes that libtorch has reserved from the driver, in use or not. */
export function memoryReserved(device?: CudaDevice): number {
  return memoryStats(device).reservedBytes.current;
}

/** Returns the peak number of bytes reserved from the driver since `resetPeakMemoryStats`. */
export function maxMemoryReserved(device?: CudaDevice): number {
  return memoryStats(device).reservedBytes.peak;
}

/** Resets the peaks to the current values. */
export function resetPeakMemoryStats(device?: CudaDevice): void {
  const index = deviceIndex(device);
  onCuda((cuda) => cuda.resetPeakMemory(index));
}

/**
 * Returns the device's free and total bytes as its driver reports them, other processes included.
 *
 * @example
 * ```ts
 * const { free, total } = torch.cuda.memGetInfo('cuda:0');
 * ```
 */
export function memGetInfo(device?: CudaDevice): { free: number; total: number } {
  const index = deviceIndex(device);
  const [free, total] = onCuda((cuda) => cuda.memoryInfo(index));
  return { free, total };
}

/** Returns unused memory to the driver, for other processes: it does not make more room for this one. */
export function emptyCache(): void {
  onCuda((cuda) => cuda.emptyCache());
}
