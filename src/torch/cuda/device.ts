import { cudaDeviceCount, requireCuda, type Device } from '../core/device.js';
import { ArgumentError, DeviceError } from '../core/errors.js';
import { translated } from '../core/translated.js';
import type { CudaBinding } from '../native/cuda-binding.js';
import { native } from '../native/load.js';

/** A CUDA device: an index, `cuda` for the current one, or a name such as `cuda:1`. */
export type CudaDevice = number | Device;

/** Calls the addon if CUDA can be used. @throws DeviceError if it cannot, TorchError if the call fails */
export function onCuda<T>(call: (cuda: CudaBinding) => T): T {
  requireCuda();
  return translated(() => call(native.cuda));
}

/** The same for calls that undo something, which must also work after a fatal error. */
export function undoOnCuda(call: (cuda: CudaBinding) => void): void {
  translated(() => call(native.cuda));
}

/** Returns the index of a device, by default the current one. @throws DeviceError if there is no such device */
export function deviceIndex(device: CudaDevice = 'cuda'): number {
  if (device === 'cuda') return currentDevice();
  requireCuda();
  const text = typeof device === 'number' ? String(device) : (/^cuda:(\d+)$/.exec(device)?.[1] ?? '');
  if (!/^\d+$/.test(text))
    throw new ArgumentError(`expected a CUDA device, such as 0 or 'cuda:0', not ${device}`);
  const count = cudaDeviceCount();
  if (Number(text) < count) return Number(text);
  throw new DeviceError(
    `there is no device cuda:${text}: this machine has ${count} devices, numbered from 0`,
  );
}

/**
 * True if tensors can be on a GPU here; never throws.
 *
 * @example
 * ```ts
 * const device = torch.cuda.isAvailable() ? 'cuda' : 'cpu';
 * const x = torch.zeros([2, 3], { device });
 * ```
 */
export function isAvailable(): boolean {
  return cudaDeviceCount() > 0;
}

/** Returns the number of devices; 0 if CUDA cannot be used. */
export function deviceCount(): number {
  return cudaDeviceCount();
}

/** Returns the model, such as `NVIDIA H200`. */
export function deviceName(device?: CudaDevice): string {
  const index = deviceIndex(device);
  return onCuda((cuda) => cuda.deviceName(index));
}

// CUdevice_attribute in CUDA's driver
const CAPABILITY_MAJOR = 75;
const CAPABILITY_MINOR = 76;

/** Returns the device's compute capability: `[9, 0]` for an H200. */
export function deviceCapability(device?: CudaDevice): [major: number, minor: number] {
  const index = deviceIndex(device);
  return onCuda((cuda) => [
    cuda.deviceAttribute(index, CAPABILITY_MAJOR),
    cuda.deviceAttribute(index, CAPABILITY_MINOR),
  ]);
}

/** Returns the index of this thread's current device, for which `cuda` stands. */
export function currentDevice(): number {
  return onCuda((cuda) => cuda.currentDevice());
}

/** Sets this thread's current device, for which `cuda` stands. */
export function setDevice(device: CudaDevice): void {
  const index = deviceIndex(device);
  onCuda((cuda) => cuda.setDevice(index));
}

/**
 * Calls `fn` with another device as the current one. @returns what `fn` returns
 *
 * @example
 * ```ts
 * const x = torch.cuda.withDevice(1, () => torch.zeros([2, 3], { device: 'cuda' })); // on cuda:1
 * ```
 */
export function withDevice<T>(device: CudaDevice, fn: () => T): T {
  const index = deviceIndex(device);
  const before = currentDevice();
  if (index === before) return fn();
  setDevice(index);
  try {
    return fn();
  } finally {
    undoOnCuda((cuda) => cuda.setDevice(before));
  }
}

/**
 * Waits until all work queued on a device is done. Throws the errors of kernels that ran in the meantime.
 *
 * @example
 * ```ts
 * const start = performance.now();
 * const x = torch.ones([1024, 1024], { device: 'cuda' }).matmul(torch.ones([1024, 1024], { device: 'cuda' }));
 * torch.cuda.synchronize();
 * console.log(performance.now() - start, 'ms');
 * ```
 */
export function synchronize(device?: CudaDevice): void {
  const index = deviceIndex(device);
  onCuda((cuda) => cuda.synchronizeDevice(index));
}
