import { InThread } from '../core/in-thread.js';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { DType } from '../core/dtype.js';
import { NotImplementedError } from '../core/errors.js';
import { translated } from '../core/translated.js';
import type { NativeKernel } from '../native/cuda-binding.js';
import { packageRoot } from '../../files/package.js';
import { namesIn } from '../../files/look.js';
import { libtorch, native, openLibrary } from '../native/load.js';
import { Tensor } from '../core/tensor.js';
import { deviceCapability, onCuda, withDevice } from './device.js';
import { currentStream } from './stream.js';

/** The number of blocks, and of threads in each, in up to three dimensions. */
export interface LaunchSize {
  grid: readonly [number, number?, number?];
  block: readonly [number, number?, number?];
}

/** Runs a kernel on the tensors' device; see {@link Kernels.launch}. */
export type Launch = (
  kernel: string,
  size: LaunchSize,
  kinds: string,
  args: readonly (Tensor | number)[],
) => void;

/**
 * Kernels written in CUDA C++, compiled at first use for the device they are used on, by NVRTC, which comes with
 * libtorch. They are `extern "C" __global__` functions.
 *
 * @example
 * ```ts
 * const source = `extern "C" __global__ void twice(float* x, int n) {
 *   int i = blockIdx.x * blockDim.x + threadIdx.x;
 *   if (i < n) x[i] *= 2;
 * }`;
 * const kernels = new torch.cuda.Kernels(source, 'twice.cu');
 * const x = torch.ones([1000], { device: 'cuda' });
 * kernels.launch('twice', { grid: [4], block: [256] }, 'ti', [x, x.numel()]); // x is 2 everywhere
 * ```
 */
export class Kernels extends InThread {
  readonly #source: string;
  readonly #name: string;
  readonly #defines: string[];
  readonly #images = new Map<string, Uint8Array>();
  readonly #loaded = new Map<string, NativeKernel>();

  /** @param name shown in the compiler's messages */
  constructor(source: string, name: string, defines: Readonly<Record<string, number>> = {}) {
    super('compiled kernels', 'compile them in each thread');
    this.#source = source;
    this.#name = name;
    this.#defines = Object.entries(defines).map(([key, value]) => `-D${key}=${value}`);
  }

  /** Compiles for an architecture such as `sm_90`; needs no device. @throws TorchError with the compiler's message */
  compile(architecture: string): Uint8Array {
    let image = this.#images.get(architecture);
    if (!image) {
      openNvrtc();
      const options = [`--gpu-architecture=${architecture}`, '--std=c++17', ...this.#defines];
      image = translated(() => native.cuda.compileKernels(this.#source, this.#name, options));
      this.#images.set(architecture, image);
    }
    return image;
  }

  /** Compiles and loads a kernel for a device, unless it is loaded already. */
  load(kernel: string, device: number): NativeKernel {
    const key = `${kernel} ${device}`;
    let loaded = this.#loaded.get(key);
    if (!loaded) {
      const image = this.compile(`sm_${deviceCapability(device).join('')}`);
      // Loading makes the device the current one.
      loaded = withDevice(device, () => onCuda((cuda) => cuda.loadKernel(device, image, kernel)));
      this.#loaded.set(key, loaded);
    }
    return loaded;
  }

  /**
   * Runs a kernel on the current stream of its first tensor's device.
   * @param kinds a letter for each argument: `t` a tensor, whose data pointer is passed, `i` an int, `f` a float
   */
  readonly launch: Launch = (kernel, { grid, block }, kinds, args) => {
    const first = args.find((arg) => arg instanceof Tensor);
    const { id, device } = currentStream(first?.device ?? 'cuda');
    const sizes = [...[0, 1, 2].map((i) => grid[i] ?? 1), ...[0, 1, 2].map((i) => block[i] ?? 1)];
    const values = args.map((arg) => (arg instanceof Tensor ? arg.handle : arg));
    withDevice(device, () => {
      const loaded = this.load(kernel, device);
      onCuda((cuda) => cuda.launchKernel(loaded, id, device, sizes, kinds, values));
    });
  };
}

/** Numbers of the dtypes in native/kernels/element.h: the value of the macro ELEMENT. */
export const kernelElements: Partial<Record<DType, number>> = { float32: 0, bfloat16: 1, float16: 2 };

/** Loads the kernels in a file of the package's native/kernels. */
export function packagedKernels(file: string, defines: Readonly<Record<string, number>>): Kernels {
  const [elements, own] = ['element.h', file].map((name) =>
    readFileSync(join(packageRoot(), 'native', 'kernels', name), 'utf8'),
  );
  return new Kernels(`${elements}#line 1\n${own}`, file, defines);
}

let opened = false;

/** Opens NVRTC: next to libtorch, in NVIDIA's packages next to that, or in the folder named by TESSERA_NVRTC. */
function openNvrtc(): void {
  if (opened) return;
  const given = process.env['TESSERA_NVRTC'];
  const packages = resolve(libtorch.lib, '..', '..', 'nvidia');
  const folders = [join(packages, 'cu13', 'lib'), join(packages, 'cuda_nvrtc', 'lib'), libtorch.lib];
  if (given) folders.unshift(given);
  const files = folders.flatMap((folder) =>
    namesIn(folder)
      .filter((name) => name.startsWith('libnvrtc') && !name.includes('.alt.'))
      .map((name) => join(folder, name)),
  );
  // NVRTC opens its second library by name, and finds it only if it is already open.
  for (const file of files) if (file.includes('builtins')) openLibrary(file);
  const compilers = files.filter((file) => !file.includes('builtins'));
  try {
    native.cuda.openNvrtc([...compilers, 'libnvrtc.so.13', 'libnvrtc.so.12', 'libnvrtc.so']);
  } catch (cause) {
    const text = `NVRTC, CUDA's compiler, was not found (${(cause as Error).message}); set TESSERA_NVRTC to its folder`;
    throw new NotImplementedError(text, { cause });
  }
  opened = true;
}
