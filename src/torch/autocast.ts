import type { Device } from './core/device.js';
import { dtypeName, dtypeNumber } from './core/dtype.js';
import { ArgumentError } from './core/errors.js';
import { guard, within, type Enter } from './core/mode.js';
import { native } from './native/load.js';
import { checkOptions } from './core/arguments.js';

export interface AutocastOptions {
  /** The dtype to compute in. Default `float16` on CUDA, `bfloat16` on the CPU. */
  dtype?: 'float16' | 'bfloat16';
  /** False switches autocast off temporarily, within another autocast. Default true. */
  enabled?: boolean;
}

// c10/core/DeviceType.h
const deviceTypes: Readonly<Record<string, number>> = { cpu: 0, cuda: 1 };

function deviceType(device: Device): number {
  const type = deviceTypes[String(device).replace(/:\d+$/, '')];
  if (type === undefined) throw new ArgumentError(`torch.autocast is for cpu or cuda, not ${device}`);
  return type;
}

/**
 * Mixed precision, like PyTorch's autocast: within `fn` products, convolutions and attention of float32 tensors on the
 * device are computed in 16 bits; operators that need float32 (norms, losses; on CUDA sums and softmax too) use it,
 * according to libtorch's list for the device. Weights stay float32; each is cast once until the outermost autocast
 * ends. The backward pass belongs outside. With float16, gradients can underflow: `amp.GradScaler` scales the loss.
 * Without a function it applies to a block: `using _ = torch.autocast('cuda');`
 *
 * @throws ArgumentError for another device or dtype
 *
 * @example
 * ```ts
 * const model = new nn.Linear(8, 2);
 * const [x, y] = [torch.randn([4, 8]), torch.randn([4, 2])];
 * const loss = torch.autocast('cpu', { dtype: 'bfloat16' }, () => F.mseLoss(model.forward(x), y));
 * loss.backward();
 * ```
 */
export function autocast<T>(device: Device, fn: () => T): T;
export function autocast<T>(device: Device, options: AutocastOptions, fn: () => T): T;
export function autocast(device: Device, options?: AutocastOptions): Disposable;
export function autocast<T>(
  device: Device,
  second: AutocastOptions | (() => T) = {},
  third?: () => T,
): T | Disposable {
  const type = deviceType(device);
  const [options, fn] = typeof second === 'function' ? [{}, second] : [second, third];
  checkOptions(options, 'torch.autocast');
  const { dtype = type === deviceTypes['cuda'] ? 'float16' : 'bfloat16', enabled = true } = options;
  if (dtype !== 'float16' && dtype !== 'bfloat16')
    throw new ArgumentError(`torch.autocast computes in float16 or bfloat16, not ${String(dtype)}`);
  const enter: Enter = () => {
    const before = native.autocast(type);
    native.setAutocast(type, enabled, dtypeNumber(dtype)!, false);
    return () => native.setAutocast(type, before >= 0, before >= 0 ? before : -1 - before, true);
  };
  return fn ? within(enter, fn) : guard(enter);
}

/** True if autocast is on for a device, in this thread. */
export function isAutocastEnabled(device: Device): boolean {
  return native.autocast(deviceType(device)) >= 0;
}

/** Returns the dtype that autocast computes in on a device; null if it is off. */
export function autocastDType(device: Device): AutocastOptions['dtype'] | null {
  const state = native.autocast(deviceType(device));
  return state < 0 ? null : (dtypeName(state) as AutocastOptions['dtype']);
}
