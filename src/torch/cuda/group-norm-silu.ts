import { grad, isGradEnabled } from '../core/autograd.js';
import { arange, empty } from '../creation.js';
import { customFunction } from '../custom-function.js';
import type { DType } from '../core/dtype.js';
import type { Device } from '../core/device.js';
import { TorchError } from '../core/errors.js';
import { callOperator } from '../core/dispatch.js';
import { groupNorm, silu } from '../operators/index.js';
import type { Tensor } from '../core/tensor.js';
import { unrecorded } from '../core/unrecorded.js';
import { planFor, type Plan } from './group-norm-plan.js';
import { kernelElements, packagedKernels, type Kernels, type Launch } from './kernel.js';

const compiled = new Map<string, Kernels>();

/** The kernels for a dtype and an order of dimensions. */
export function groupNormKernels(dtype: DType, channelsLast: boolean, withSilu = true): Kernels {
  const defines = {
    ELEMENT: kernelElements[dtype]!,
    CHANNELS_LAST: Number(channelsLast),
    SILU: Number(withSilu),
  };
  const key = Object.values(defines).join(' ');
  let kernels = compiled.get(key);
  if (!kernels) {
    compiled.set(key, (kernels = packagedKernels('group-norm-silu.cu', defines)));
  }
  return kernels;
}

let enabled = true;
let failure: string | null = null;

/** Switches the fused kernel off or on; initially on. It is used on CUDA only. */
export function setFusedGroupNorm(on: boolean): void {
  enabled = on;
}

/**
 * Returns the reason why the fused kernel is not used although it could be, such as a failed compilation; null
 * otherwise.
 */
export function fusedGroupNormFailure(): string | null {
  return failure;
}

/** True if {@link groupNormSilu} would run as one kernel on this input. */
export function fusesGroupNormSilu(
  x: Tensor,
  groups: number,
  weight: Tensor | null,
  bias: Tensor | null,
): boolean {
  if (!enabled || failure !== null || !weight || !bias || !x.device.startsWith('cuda')) return false;
  const { dtype } = x;
  if (kernelElements[dtype] === undefined || weight.dtype !== dtype || bias.dtype !== dtype) return false;
  const plan = planFor(x, groups);
  return plan !== null && loads(dtype, plan, x.device);
}

const usable = new Set<string>();

/** Compiles and checks the kernels at the first use; a failed compilation is not tried again. */
function loads(dtype: DType, { channelsLast }: Plan, device: Device): boolean {
  const key = `${dtype} ${channelsLast} ${device}`;
  if (usable.has(key)) return true;
  try {
    const kernels = groupNormKernels(dtype, channelsLast);
    for (const name of ['forward', 'backward']) kernels.load(name, Number(device.slice('cuda:'.length)));
    const difference = differenceFromPlain(kernels.launch, dtype, channelsLast, device);
    if (!(difference <= tolerated[dtype]!))
      throw new TorchError(`on ${device} the kernel's results differ from the operators' by ${difference}`);
    usable.add(key);
    return true;
  } catch (error) {
    failure = (error as Error).message;
    process.emitWarning(`GroupNorm and SiLU run as separate operators: ${failure}`);
    return false;
  }
}

const tolerated: Partial<Record<DType, number>> = { float32: 1e-4, bfloat16: 3e-2, float16: 4e-3 };

/**
 * Returns the largest difference between the kernels' results, gradients included, and the plain operators', relative
 * to the largest value. Draws no random numbers.
 */
export function differenceFromPlain(
  launch: Launch,
  dtype: DType,
  channelsLast: boolean,
  device: Device,
): number {
  const [shape, groups, eps] = [[2, 64, 12, 12], 8, 1e-6] as const;
  const [images, channels, height, width] = shape;
  return unrecorded(() => {
    const wave = (size: readonly number[], frequency: number) =>
      arange(size.reduce((a, b) => a * b))
        .mul(frequency)
        .sin()
        .reshape([...size])
        .to({ dtype, device });
    const memoryFormat = channelsLast ? 'channels_last' : 'contiguous_format';
    const x = wave(shape, 0.7).add(0.5).contiguous({ memoryFormat });
    const gradient = wave(shape, 1.3).contiguous({ memoryFormat });
    const [weight, bias] = [wave([channels], 0.9), wave([channels], 1.9)];
    const plan = planFor(x, groups)!;
    const { y, moments } = normalized(launch, plan, x, weight, bias, eps);
    const found = [y, ...gradients(launch, plan, [x, weight, bias, moments], gradient)];

    const wide = [x, weight, bias].map((input) => input.float().contiguous()) as [Tensor, Tensor, Tensor];
    const sizes = [images, channels, height * width, groups] as const;
    const args = [...wide, ...sizes, eps];
    const [z, mean, rstd] = callOperator('aten::native_group_norm', '', args) as Tensor[];
    const slope = callOperator('aten::silu_backward', '', [gradient.float().contiguous(), z]) as Tensor;
    const backward = [slope, wide[0], mean, rstd, wide[1], ...sizes, [true, true, true]];
    const plain = callOperator('aten::native_group_norm_backward', '', backward) as Tensor[];
    const shares = [silu(z!), ...plain].map((right, i) =>
      found[i]!.float().sub(right).abs().max().div(right.abs().max()).item(),
    );
    // Math.max does not work here because of NaN.
    return shares.every((share) => share < Infinity) ? Math.max(...shares) : Infinity;
  });
}

/**
 * SiLU of the group norm of `x` [N, C, …]: two kernels that read and write each element once if {@link
 * fusesGroupNormSilu} returns true, otherwise the plain operators. Sums are in float32 for every dtype, in an order
 * that depends on the shape alone.
 */
export function groupNormSilu(
  x: Tensor,
  groups: number,
  weight: Tensor | null,
  bias: Tensor | null,
  eps = 1e-5,
): Tensor {
  if (!fusesGroupNormSilu(x, groups, weight, bias)) return silu(groupNorm(x, groups, weight, bias, eps));
  return fusedGroupNormSilu(packagedLaunch, groups, eps)(x, weight!, bias!);
}

const packagedLaunch: LaunchFor = (dtype, { channelsLast }) => groupNormKernels(dtype, channelsLast).launch;

/**
 * Returns the kernels for tensors of a dtype in the order of a plan. Holds no tensor: those of forward may be freed
 * before backward.
 */
export type LaunchFor = (dtype: DType, plan: Plan) => Launch;

/** Makes the operator, on kernels that `launchFor` runs. */
export function fusedGroupNormSilu(launchFor: LaunchFor, groups: number, eps: number) {
  return customFunction({
    name: 'groupNormSilu',
    forward(context, x: Tensor, weight: Tensor, bias: Tensor) {
      const plan = planFor(x, groups)!;
      const { y, moments } = normalized(launchFor(x.dtype, plan), plan, x, weight, bias, eps);
      context.saveForBackward(x, weight, bias, moments);
      return y;
    },
    backward({ savedTensors, needsInputGrad }, gradient) {
      const [x, weight, bias, moments] = savedTensors as [Tensor, Tensor, Tensor, Tensor];
      // Higher-order gradients use the plain operators: kernels are not recorded.
      if (isGradEnabled()) return plainGradients([x, weight, bias], needsInputGrad, gradient, groups, eps);
      const plan = planFor(x, groups)!;
      return gradients(launchFor(x.dtype, plan), plan, [x, weight, bias, moments], inOrderOf(x, gradient));
    },
  });
}

function sizes({ channels, pixels, groups }: Plan, last: number): number[] {
  return [channels, pixels, groups, last];
}

/** Returns the result, and the moments that its gradient needs. */
function normalized(
  launch: Launch,
  plan: Plan,
  x: Tensor,
  weight: Tensor,
  bias: Tensor,
  eps: number,
): { y: Tensor; moments: Tensor } {
  const moments = momentsOf(launch, plan, x, eps);
  const y = x.emptyLike();
  const args = [x, weight, bias, moments, y, ...sizes(plan, plan.planes.piece)];
  launch('forward', plan.planes, 'tttttiiii', args);
  return { y, moments };
}

/** Returns the mean and the reciprocal standard deviation of each group: [N, G, 2]. */
function momentsOf(launch: Launch, plan: Plan, x: Tensor, eps: number): Tensor {
  const { images, groups, moments: size } = plan;
  const options = { dtype: 'float32', device: x.device } as const;
  const partial = empty([images, groups, size.grid[1], 2], options);
  const result = empty([images, groups, 2], options);
  launch('partialMoments', size, 'ttiiii', [x, partial, ...sizes(plan, size.piece)]);
  const reduce = { grid: [images * groups], block: [128] } as const;
  launch('moments', reduce, 'tttiiiif', [x, partial, result, ...sizes(plan, size.grid[1]), eps]);
  return result;
}

/** What the gradients are computed from. */
type Saved = readonly [x: Tensor, weight: Tensor, bias: Tensor, moments: Tensor];

function gradients(launch: Launch, plan: Plan, saved: Saved, gradient: Tensor): [Tensor, Tensor, Tensor] {
  const [x, weight, bias, moments] = saved;
  const { images, channels, pixels, groups, planes } = plan;
  const read = [x, gradient, weight, bias, moments];
  const partial = empty([images, channels, planes.grid[1], 2], { dtype: 'float32', device: x.device });
  launch('partialGradients', planes, 'ttttttiiii', [...read, partial, ...sizes(plan, planes.piece)]);
  const sums = partial.sum([2]); // [N, C, 2]
  const perGroup = channels / groups;
  const means = sums
    .mul(weight.float().reshape([1, channels, 1]))
    .reshape([images, groups, perGroup, 2])
    .sum([2])
    .div(perGroup * pixels); // [N, G, 2]
  const result = x.emptyLike();
  launch('backward', planes, 'tttttttiiii', [...read, means, result, ...sizes(plan, planes.piece)]);
  const ofParameters = sums.sum([0]).to(weight.dtype); // [C, 2]
  return [result, ofParameters.select(1, 1), ofParameters.select(1, 0)];
}

/** Returns the gradient in the memory order of `x`. */
function inOrderOf(x: Tensor, gradient: Tensor): Tensor {
  const same = x.strides.every((stride, dim) => stride === gradient.strides[dim]);
  return same && gradient.storage.offset % 4 === 0 ? gradient : x.emptyLike().copy_(gradient);
}

function plainGradients(
  inputs: [Tensor, Tensor, Tensor],
  needed: readonly boolean[],
  gradient: Tensor,
  groups: number,
  eps: number,
): (Tensor | null)[] {
  const [x, weight, bias] = inputs;
  const wanted = inputs.filter((_, i) => needed[i]);
  const y = silu(groupNorm(x, groups, weight, bias, eps));
  const found = grad([y], wanted, { gradOutputs: [gradient], createGraph: true });
  return inputs.map((_, i) => (needed[i] ? found.shift()! : null));
}
