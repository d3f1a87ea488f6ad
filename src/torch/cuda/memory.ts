import type { MemoryCounter, MemoryStats } from '../native/cuda-binding.js';
import { deviceIndex, onCuda, type CudaDevice } from './device.js';

export type { MemoryCounter, MemoryStats } from '../native/cuda-binding.js';

const counter = (): MemoryCounter => ({ current: 0, peak: 0, allocated: 0, freed: 0 });

/** All that a device's allocator counts; zeros before the first tensor. */
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

/** Bytes of tensors on a device. */
export function memoryAllocated(device?: CudaDevice): number {
  return memoryStats(device).allocatedBytes.current;
}

/** The most bytes of tensors at once, since `resetPeakMemoryStats`. */
export function maxMemoryAllocated(device?: CudaDevice): number {
  return memoryStats(device).allocatedBytes.peak;
}

/** Bytes that libtorch has taken from the driver, in use or not. */
export function memoryReserved(device?: CudaDevice): number {
  return memoryStats(device).reservedBytes.current;
}

/** The most bytes taken from the driver at once, since `resetPeakMemoryStats`. */
export function maxMemoryReserved(device?: CudaDevice): number {
  return memoryStats(device).reservedBytes.peak;
}

/** Starts the peaks anew at what is held now. */
export function resetPeakMemoryStats(device?: CudaDevice): void {
  const index = deviceIndex(device);
  onCuda((cuda) => cuda.resetPeakMemory(index));
}

/** Bytes of the device as its driver sees them, other processes included. */
export function memGetInfo(device?: CudaDevice): { free: number; total: number } {
  const index = deviceIndex(device);
  const [free, total] = onCuda((cuda) => cuda.memoryInfo(index));
  return { free, total };
}

/** Gives memory that no tensor uses back to the driver, for other processes: it does not make more room for this one. */
export function emptyCache(): void {
  onCuda((cuda) => cuda.emptyCache());
}
