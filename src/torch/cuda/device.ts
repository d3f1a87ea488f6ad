import { cudaDeviceCount, requireCuda, type Device } from '../core/device.js';
import { ArgumentError, DeviceError, translate } from '../core/errors.js';
import type { CudaBinding } from '../native/cuda-binding.js';
import { native } from '../native/load.js';

/** A CUDA device: its index, or `cuda` for the current one, or `cuda:1`. */
export type CudaDevice = number | Device;

/** Calls the addon where there is CUDA. @throws DeviceError where there is none, TorchError for what fails */
export function onCuda<T>(call: (cuda: CudaBinding) => T): T {
  requireCuda();
  try {
    return call(native.cuda);
  } catch (error) {
    throw translate(error);
  }
}

/** The same for what undoes something, which must also happen after a fatal error. */
export function undoOnCuda(call: (cuda: CudaBinding) => void): void {
  try {
    call(native.cuda);
  } catch (error) {
    throw translate(error);
  }
}

/** The index of a device, the current one by default. @throws DeviceError for one that is not there */
export function deviceIndex(device: CudaDevice = 'cuda'): number {
  if (device === 'cuda') return currentDevice();
  requireCuda();
  const text = typeof device === 'number' ? String(device) : (/^cuda:(\d+)$/.exec(device)?.[1] ?? '');
  if (!/^\d+$/.test(text))
    throw new ArgumentError(`expected a CUDA device, such as 0 or 'cuda:0', not ${device}`);
  const count = cudaDeviceCount();
  if (Number(text) < count) return Number(text);
  throw new DeviceError(`there is no device cuda:${text}: this machine has ${count}, counted from 0`);
}

/** Whether tensors can be on a GPU here; never throws. */
export function isAvailable(): boolean {
  return cudaDeviceCount() > 0;
}

/** Number of devices; 0 where CUDA cannot be used. */
export function deviceCount(): number {
  return cudaDeviceCount();
}

/** The model, such as `NVIDIA H200`. */
export function deviceName(device?: CudaDevice): string {
  const index = deviceIndex(device);
  return onCuda((cuda) => cuda.deviceName(index));
}

// CUdevice_attribute in CUDA's driver
const CAPABILITY_MAJOR = 75;
const CAPABILITY_MINOR = 76;

/** What the device's instruction set is: `[9, 0]` for an H200. */
export function deviceCapability(device?: CudaDevice): [major: number, minor: number] {
  const index = deviceIndex(device);
  return onCuda((cuda) => [
    cuda.deviceAttribute(index, CAPABILITY_MAJOR),
    cuda.deviceAttribute(index, CAPABILITY_MINOR),
  ]);
}

/** The device that `cuda` stands for in this thread. */
export function currentDevice(): number {
  return onCuda((cuda) => cuda.currentDevice());
}

/** Makes another device the one that `cuda` stands for in this thread. */
export function setDevice(device: CudaDevice): void {
  const index = deviceIndex(device);
  onCuda((cuda) => cuda.setDevice(index));
}

/** Calls `fn` with another device as the current one. @returns what `fn` returns */
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

/** Waits until all work given to a device is done. Errors of kernels that ran meanwhile are thrown here. */
export function synchronize(device?: CudaDevice): void {
  const index = deviceIndex(device);
  onCuda((cuda) => cuda.synchronizeDevice(index));
}
