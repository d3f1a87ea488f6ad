import { ShapeError } from '../core/errors.js';
import { sameShape } from '../core/layout.js';
import { DEVICE_INDEX, DEVICE_TYPE, DIMENSIONS, DTYPE, look, SIZES, stridesAt } from '../core/metadata.js';
import { wire } from '../native/wire.js';
import type { Tensor } from '../core/tensor.js';

/**
 * dtype, device, sizes and strides as numbers: an optimizer compares those of five tensors for every parameter and
 * step, too often for arrays and strings. In the order of the addon's `describe`, without what does not matter.
 */
export type Layout = readonly number[];

// After dtype, device type and device index, which are at the same positions as on the wire.
const RANK = 3;
const HEAD = 4;

// A step asks for the layout of every parameter and gets the previous array unless the layout has changed: allocating
// arrays in thousands of calls a second costs more than the comparison.
const known = new WeakMap<Tensor, Layout>();
const fusible = new WeakMap<Layout, boolean>();

/** Returns a tensor's layout; the same array as long as it stays the same. */
export function layoutOf(tensor: Tensor): Layout {
  const before = known.get(tensor);
  look(tensor);
  if (before !== undefined && isWholeOnWire(before)) return before;
  const count = wire[DIMENSIONS] as number;
  const layout = [wire[DTYPE], wire[DEVICE_TYPE], wire[DEVICE_INDEX], count] as number[];
  for (let i = 0; i < 2 * count; i++) layout.push(wire[SIZES + i] as number);
  known.set(tensor, layout);
  return layout;
}

/** True if everything on the wire equals the layout. */
function isWholeOnWire(layout: Layout): boolean {
  if (!onWire(layout)) return false;
  for (let i = HEAD; i < layout.length; i++) if (wire[SIZES + i - HEAD] !== layout[i]) return false;
  return true;
}

/** True if dtype, device and number of dimensions on the wire equal the layout's. */
function onWire(layout: Layout): boolean {
  return (
    wire[DTYPE] === layout[DTYPE] &&
    wire[DEVICE_TYPE] === layout[DEVICE_TYPE] &&
    wire[DEVICE_INDEX] === layout[DEVICE_INDEX] &&
    wire[DIMENSIONS] === layout[RANK]
  );
}

/** True if the tensor has the layout's dtype and device, and its elements the layout's order. */
export function hasLayout(tensor: Tensor, layout: Layout): boolean {
  look(tensor);
  if (!onWire(layout)) return false;
  const count = layout[RANK] as number;
  const strides = stridesAt(count);
  for (let i = 0; i < count; i++) {
    const size = wire[SIZES + i] as number;
    if (size !== layout[HEAD + i]) return false;
    // If there is only one element, the distance to the next has no meaning.
    if (size > 1 && wire[strides + i] !== layout[HEAD + count + i]) return false;
  }
  return true;
}

/** True if elements fill their memory without gaps or overlap, in any order of dimensions. */
function isDense(layout: Layout): boolean {
  const count = layout[RANK] as number;
  const dimensions: [number, number][] = [];
  for (let i = 0; i < count; i++) {
    const size = layout[HEAD + i] as number;
    if (size === 0) return true;
    if (size > 1) dimensions.push([layout[HEAD + count + i] as number, size]);
  }
  dimensions.sort(([a], [b]) => a - b);
  let expected = 1;
  for (const [stride, size] of dimensions) {
    if (stride !== expected) return false;
    expected *= size;
  }
  return true;
}

/** Returns the layout of a float32 tensor without dimensions on the device of `layout`. */
export function scalarLayout(layout: Layout): Layout {
  return [FLOAT32, layout[DEVICE_TYPE] as number, layout[DEVICE_INDEX] as number, 0];
}

/** Returns dtype and device, which must be equal for parameters in one call. */
export function kindOf(layout: Layout): string {
  return `${layout[DTYPE]} ${layout[DEVICE_TYPE]} ${layout[DEVICE_INDEX]}`;
}

// c10/core/ScalarType.h: float16, float32, float64, bfloat16
const FLOAT32 = 6;
const fusedDTypes: readonly number[] = [5, FLOAT32, 7, 15];
// c10/core/DeviceType.h: cpu, cuda
const fusedDevices: readonly number[] = [0, 1];

/** True if the fused kernels, which process memory as flat arrays, can update such a parameter. */
export function canFuse(layout: Layout): boolean {
  let fuses = fusible.get(layout);
  if (fuses === undefined) {
    fuses =
      fusedDTypes.includes(layout[DTYPE] as number) &&
      fusedDevices.includes(layout[DEVICE_TYPE] as number) &&
      isDense(layout);
    fusible.set(layout, fuses);
  }
  return fuses;
}

/** Returns the gradient in the parameter's memory layout: the fused kernels process both as flat arrays. */
export function alike(gradient: Tensor, parameter: Tensor, layout: Layout): Tensor {
  if (hasLayout(gradient, layout)) return gradient;
  checkShape(gradient, parameter);
  return parameter.emptyLike().copy_(gradient);
}

/** Throws unless the gradient has the parameter's shape: kernels for lists of tensors do not check it. */
export function checkShape(gradient: Tensor, parameter: Tensor): void {
  if (sameShape(gradient.shape, parameter.shape)) return;
  throw new ShapeError(
    `gradient has shape [${gradient.shape.join(', ')}], but belongs to ${describe(parameter)}`,
  );
}

export function describe(tensor: Tensor): string {
  return `a ${tensor.dtype} parameter of shape [${tensor.shape.join(', ')}] on ${tensor.device}`;
}

/** True if the tensor has the layout's dtype, device and shape, in any memory order. */
export function hasKindAndShape(tensor: Tensor, layout: Layout): boolean {
  look(tensor);
  if (!onWire(layout)) return false;
  const count = layout[RANK] as number;
  for (let i = 0; i < count; i++) if (wire[SIZES + i] !== layout[HEAD + i]) return false;
  return true;
}
