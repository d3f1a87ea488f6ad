/** DiffAugment: augmentations of what a discriminator sees, through which gradients pass (arXiv 2006.10738). */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as F from '../../torch/nn/functional.js';

/** Random numbers of `diffAugment`, by name; those of operations that the policy lacks may be left out. */
export interface DiffAugmentDraws {
  /** Uniform in [0, 1), [B, 1, 1, 1]; ½ changes nothing. */
  brightness?: Tensor;
  /** Uniform in [0, 1), [B, 1, 1, 1]; ½ changes nothing. */
  saturation?: Tensor;
  /** Uniform in [0, 1), [B, 1, 1, 1]; ½ changes nothing. */
  contrast?: Tensor;
  /** Rows by which an image moves up, int64 [B, 1, 1], at most an eighth of its height either way. */
  translationX?: Tensor;
  /** Columns by which it moves to the left, int64 [B, 1, 1]. */
  translationY?: Tensor;
  /** Row of the middle of the rectangle that is cut out, int64 [B, 1, 1]. */
  cutoutOffsetX?: Tensor;
  /** Column of that middle, int64 [B, 1, 1]. */
  cutoutOffsetY?: Tensor;
}

type Draw = keyof DiffAugmentDraws;
type Draws = Readonly<Record<Draw, Tensor>>;

/** An augmentation: the draws that it needs, and what it does with them. */
interface Operation {
  readonly draws: Partial<Record<Draw, (images: Tensor) => Tensor>>;
  apply(x: Tensor, draws: Draws): Tensor;
}

const uniform = ({ shape, dtype, device }: Tensor): Tensor =>
  torch.rand([shape[0]!, 1, 1, 1], { dtype, device });
const whole = ({ shape, device }: Tensor, low: number, high: number): Tensor =>
  torch.randint(low, high, [shape[0]!, 1, 1], { dtype: 'int64', device });

/** Part of a side, rounded. */
const partOf = (side: number, share: number): number => Math.floor(side * share + 0.5);
const shift = (dim: 2 | 3) => (images: Tensor) => {
  const most = partOf(images.shape[dim]!, 1 / 8);
  return whole(images, -most, most + 1);
};
const offset = (dim: 2 | 3) => (images: Tensor) => {
  const side = images.shape[dim]!;
  return whole(images, 0, side + 1 - (partOf(side, 1 / 2) % 2));
};

/** Operations by their name in a policy. */
const operations: Readonly<Record<string, Operation>> = {
  color: {
    draws: { brightness: uniform, saturation: uniform, contrast: uniform },
    apply(x, { brightness, saturation, contrast }) {
      const bright = x.add(brightness.sub(0.5));
      const grey = bright.mean([1], true); // [B, 1, H, W]
      const saturated = bright.sub(grey).mul(saturation.mul(2)).add(grey);
      const middle = saturated.mean([1, 2, 3], true); // [B, 1, 1, 1]
      return saturated.sub(middle).mul(contrast.add(0.5)).add(middle);
    },
  },
  translation: {
    draws: { translationX: shift(2), translationY: shift(3) },
    apply(x, { translationX, translationY }) {
      const [batch, channels, height, width] = x.shape as [number, number, number, number];
      // Moved positions in the padded image, whose border is what lies outside.
      const from = (moved: Tensor, side: number) =>
        positions(side, x)
          .add(moved.reshape([batch, 1]))
          .add(1)
          .clamp(0, side + 1); // [B, side]
      const rows = from(translationX, height).reshape([batch, 1, height, 1]);
      const columns = from(translationY, width).reshape([batch, 1, 1, width]);
      return F.pad(x, [1, 1, 1, 1])
        .gather(2, rows.expand([batch, channels, height, width + 2]))
        .gather(3, columns.expand([batch, channels, height, width]));
    },
  },
  cutout: {
    draws: { cutoutOffsetX: offset(2), cutoutOffsetY: offset(3) },
    apply(x, { cutoutOffsetX, cutoutOffsetY }) {
      const [batch, , height, width] = x.shape as [number, number, number, number];
      const inside = (middle: Tensor, side: number) => {
        const size = partOf(side, 1 / 2);
        const place = positions(side, x).sub(middle.reshape([batch, 1]).sub(Math.floor(size / 2)));
        return place.ge(0).logicalAnd(place.lt(size)); // [B, side]
      };
      const rows = inside(cutoutOffsetX, height).reshape([batch, 1, height, 1]);
      const columns = inside(cutoutOffsetY, width).reshape([batch, 1, 1, width]);
      return x.mul(rows.logicalAnd(columns).logicalNot().to(x.dtype));
    },
  },
};

const positions = (side: number, { device }: Tensor): Tensor =>
  torch.arange(side, { dtype: 'int64', device });

/**
 * Returns the operations of a policy in their order.
 *
 * @throws RangeError if the policy names others than color, translation and cutout, or one of them twice
 */
function operationsOf(policy: string): Operation[] {
  const names = policy.split(',').map((name) => name.trim());
  if (isDiffAugmentPolicy(policy)) return names.map((name) => operations[name]!);
  const given = JSON.stringify(policy);
  throw new RangeError(`diffAugment: the policy must be ${diffAugmentPolicies}, got ${given}`);
}

/** Completes "the policy must be …" in messages. */
export const diffAugmentPolicies = `${Object.keys(operations).join(', ')}, or several of them with commas between`;

/** True if a policy consists of known operations, each at most once. */
export function isDiffAugmentPolicy(policy: string): boolean {
  const names = policy.split(',').map((name) => name.trim());
  return new Set(names).size === names.length && names.every((name) => Object.hasOwn(operations, name));
}

/**
 * Draws the random numbers of `diffAugment` for images [B, C, H, W] from the default generator of their device.
 *
 * @example
 * ```ts
 * const images = torch.rand([4, 3, 32, 32]);
 * const draws = drawDiffAugment(images, 'translation');
 * const same = diffAugment(images, 'translation', { draws }).equal(diffAugment(images, 'translation', { draws })); // true
 * ```
 */
export function drawDiffAugment(images: Tensor, policy: string): DiffAugmentDraws {
  const made = operationsOf(policy).flatMap(({ draws }) => Object.entries(draws));
  return Object.fromEntries(made.map(([name, draw]) => [name, draw(images)]));
}

/**
 * Augments images [B, C, H, W] in [−1, 1], each at random, so that a discriminator cannot learn few images by heart. Both
 * updates must see augmented images and augmented reconstructions, and the generator learns through the augmentation.
 *
 * `color` changes brightness, saturation and contrast; `translation` moves the image by up to an eighth of its sides, with
 * zeros outside; `cutout` sets a rectangle of half its sides to zero.
 *
 * @param policy operations in their order, such as `'color,translation,cutout'`
 * @param options.draws random numbers; by default they are drawn by `drawDiffAugment`
 * @throws RangeError if the policy names another operation, or one twice
 * @throws TypeError if the draws lack a number that the policy needs
 *
 * @example
 * ```ts
 * const seen = diffAugment(torch.rand([4, 3, 32, 32]).mul(2).sub(1), 'color,translation,cutout'); // [4, 3, 32, 32]
 * ```
 */
export function diffAugment(
  images: Tensor,
  policy: string,
  { draws = drawDiffAugment(images, policy) }: { draws?: DiffAugmentDraws } = {},
): Tensor {
  return operationsOf(policy).reduce((x, operation) => {
    const needed = Object.keys(operation.draws) as Draw[];
    const missing = needed.find((name) => !draws[name]);
    if (missing === undefined) return operation.apply(x, draws as Draws);
    throw new TypeError(
      `diffAugment: the draws lack ${missing}, which the policy ${JSON.stringify(policy)} needs: draw them with ` +
        'drawDiffAugment and the same policy, or leave them out',
    );
  }, images);
}
