/** Low-resolution images, from which a second stage can learn to draw the whole ones. */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as F from '../../torch/nn/functional.js';

/** Field of an example's low resolution, under the reference's name. Every image has it. */
export const LOW_RESOLUTION = 'lr';

/** Settings by which images are made small, and large again. */
export interface LowResolution {
  /** Factor by which both sides shrink. */
  factor: number;
  /** Interpolation that enlarges the small image to its whole size. */
  enlarge: 'nearest' | 'bicubic';
}

export const usualLowResolution: Readonly<LowResolution> = { factor: 4, enlarge: 'nearest' };

/** Returns the settings of a section `data`. */
export const lowResolutionOf = ({
  lrFactor: factor = usualLowResolution.factor,
  lrEnlarge: enlarge = usualLowResolution.enlarge,
}: {
  lrFactor?: number | undefined;
  lrEnlarge?: LowResolution['enlarge'] | undefined;
}): LowResolution => ({ factor, enlarge });

/** @throws RangeError if the factor does not divide the side of the images */
export function checkFactor(size: number, { factor }: LowResolution): void {
  if (size % factor === 0) return;
  const near = Math.max(1, Math.round(size / factor)) * factor;
  throw new RangeError(
    `images of ${size} pixels cannot be made ${factor} times smaller for the field "${LOW_RESOLUTION}": ` +
      `set data.lrFactor to a divisor of ${size}, or data.size to a multiple of ${factor}, such as ${near}`,
  );
}

/**
 * Returns images `[B, C, H, W]` in low resolution: made smaller by bicubic interpolation with antialiasing and
 * rounded to bytes, as `ImageNetScale` of the reference does, then enlarged to their size again.
 * @throws RangeError if the factor does not divide their sides
 *
 * @example
 * ```ts
 * const blurred = lowResolution(torch.zeros([1, 3, 64, 64]), { factor: 4, enlarge: 'nearest' }); // [1, 3, 64, 64]
 * ```
 */
export function lowResolution(images: Tensor, how: LowResolution = usualLowResolution): Tensor {
  const sides = images.shape.slice(2) as [height: number, width: number];
  for (const side of sides) checkFactor(side, how);
  const size = sides.map((side) => side / how.factor);
  return torch.scope(() =>
    enlarged(F.interpolate(images, { size, mode: 'bicubic', antialias: true }), sides, how),
  );
}

/** Rounds small images `[B, C, h, w]` in [-1, 1] to bytes, and enlarges them to a side, or height and width. */
export function enlarged(
  small: Tensor,
  size: number | readonly [height: number, width: number],
  { enlarge: mode }: LowResolution,
): Tensor {
  return torch.scope(() => {
    const bytes = small.clamp(-1, 1).add(1).mul(127.5).round().div(127.5).sub(1);
    return F.interpolate(bytes, { size, mode }).clamp(-1, 1);
  });
}
