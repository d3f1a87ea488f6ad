/** Completion of images: some of their pixels are given, and the codes of the others are drawn. */
import type { TwoStage } from '../models/two-stage.js';
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import * as F from '../torch/nn/functional.js';
import { conditionFor, redrawTokens, type RedrawOptions } from './redraw.js';
import type { GridCondition } from './window-condition.js';

/** A larger image that the given ones are a part of. */
export interface Canvas {
  /** Height and width in pixels. */
  size: readonly [height: number, width: number];
  /** Place of the upper left corner of the given images, in whole codes. Default: centred, rounded to codes. */
  at?: readonly [top: number, left: number];
}

export interface CompleteImagesOptions extends RedrawOptions {
  /**
   * Condition tokens `[B, N]`; of a spatial condition those of the whole canvas; of several conditions also a list of the
   * tokens of each, which a canvas that needs windows requires. Default: the start token of an unconditional model.
   */
  condition?: GridCondition;
  /** Draw a larger image around the given ones (outpainting). Default: the images are complete in size. */
  canvas?: Canvas;
}

export interface CompletedImages {
  /** All tokens in reading order, `[B, h·w]`. */
  tokens: Tensor;
  /** Completed images `[B, C, H, W]`, whose given pixels are unchanged. */
  images: Tensor;
  /** Images decoded from the tokens, given pixels too. */
  decoded: Tensor;
}

/**
 * Completes images `[B, C, H, W]` in [-1, 1] where the mask is true (or not 0): `[H, W]` for all images or `[B, H, W]`; null:
 * nowhere, for outpainting. A code is drawn if the mask is true in any of its pixels; the other codes are those of the
 * images, which the model sees if they come before, or are in the window around.
 *
 * Codes are drawn in the model's reading order: each depends on the codes before it, given ones included, but not on given
 * codes after it.
 *
 * @throws TypeError without a condition that the model needs, or with neither a mask nor a canvas; ShapeError for a mask of
 * another size, or images that are not whole codes; RangeError for a place that is not, or beyond the canvas
 *
 * @example
 * ```ts
 * const { model: net } = await openRun('runs/transformer', 'transformer');
 * const photo = torch.zeros([1, 3, 64, 64]);
 * const lower = torch.arange(64).ge(32).unsqueeze(1).expand([64, 64]); // draw the lower half
 * const { images } = completeImages(net, photo, lower, { topK: 100, seeds: [1] }); // [1, 3, 64, 64]
 * const wide = completeImages(net, photo, null, { canvas: { size: [64, 128] } }); // [1, 3, 64, 128]
 * ```
 */
export function completeImages(
  net: TwoStage,
  images: Tensor,
  mask: Tensor | null,
  { condition, canvas, ...options }: CompleteImagesOptions = {},
): CompletedImages {
  checkRequest(images, mask, canvas);
  return torch.noGrad(() =>
    torch.scope(() => {
      const start = conditionFor('completeImages', net, condition, images);
      const { whole, codes, drawn, cells } = placeImages(net, images, mask, canvas);
      const grid = codes.shape.slice(1) as [number, number];
      const read = (of: Tensor) => net.permuter.forward(of);
      const given = read(codes.flatten(1));
      const tokens = redrawTokens(net, start, given, read(cells.flatten(1).long()).bool(), grid, options);
      const decoded = net.decodeToImg(tokens, grid);
      return { tokens, images: torch.where(drawn.unsqueeze(1), decoded, whole.to(decoded.dtype)), decoded };
    }),
  );
}

/** Images on their canvas. */
export interface PlacedImages {
  /** Pixels `[B, C, H, W]`, 0 beyond the images. */
  whole: Tensor;
  /** Codes `[B, h, w]`, 0 beyond the images. */
  codes: Tensor;
  /** True where pixels are drawn, `[B, H, W]`. */
  drawn: Tensor;
  /** True where codes are drawn, `[B, h, w]`. */
  cells: Tensor;
}

/** Encodes images `[B, C, H, W]` and places them on their canvas, with what is to be drawn as {@link completeImages} says. */
export function placeImages(
  net: TwoStage,
  images: Tensor,
  mask: Tensor | null,
  canvas?: Canvas,
): PlacedImages {
  const { indices, stride } = encoded(net, images);
  const on = placed({ images, indices, mask, stride, canvas });
  const cells = F.maxPool2d(on.drawn.float().unsqueeze(1), stride).gt(0).squeeze(1); // [B, h, w]
  return { ...on, cells };
}

/** Encodes images as grids of codes `[B, h, w]`. */
function encoded(net: TwoStage, images: Tensor): { indices: Tensor; stride: number } {
  const [batch, , height, width] = images.shape as [number, number, number, number];
  const { quantized, indices } = net.firstStageModel.encode(images);
  const [h, w] = quantized.shape.slice(-2) as [number, number];
  const stride = height / h;
  if (Number.isInteger(stride) && width / w === stride)
    return { indices: indices.reshape([batch, h, w]), stride };
  throw new torch.ShapeError(
    `completeImages: images of ${height} × ${width} pixels are not whole codes (they have ${h} × ${w}); crop them to multiples of ` +
      'the pixels per code.',
  );
}

interface Placing {
  images: Tensor;
  indices: Tensor;
  mask: Tensor | null;
  stride: number;
  canvas: Canvas | undefined;
}

/** Places images `[B, C, H, W]`, their codes `[B, h, w]` and the mask `[B, H, W]` on the canvas; what is beyond is drawn. */
function placed({ images, indices, mask, stride, canvas }: Placing): {
  whole: Tensor;
  codes: Tensor;
  drawn: Tensor;
} {
  const [batch, , height, width] = images.shape as [number, number, number, number];
  const { device } = images;
  const wanted = mask?.to(device).bool().expand([batch, height, width]);
  const own = wanted ?? torch.zeros([batch, height, width], { dtype: 'bool', device });
  if (!canvas) return { whole: images, codes: indices, drawn: own };
  const [rows, columns] = canvas.size;
  const middle = (outer: number, inner: number) => Math.floor((outer - inner) / 2 / stride) * stride;
  const at = canvas.at ?? [middle(rows, height), middle(columns, width)];
  checkPlace(canvas.size, at, [height, width], stride);
  const [top, left] = at;
  const padding = [left, columns - width - left, top, rows - height - top];
  return {
    whole: F.pad(images, padding),
    codes: F.pad(
      indices,
      padding.map((pixels) => pixels / stride),
    ),
    drawn: F.pad(own.logicalNot().long(), padding).eq(0),
  };
}

const by = (sides: readonly number[]) => sides.join(' × ');

/** @throws RangeError unless canvas and place are whole codes and the images lie on the canvas */
function checkPlace(
  size: readonly [number, number],
  at: readonly [number, number],
  image: readonly [number, number],
  stride: number,
): void {
  const isWhole = (pixels: number) => Number.isSafeInteger(pixels) && pixels >= 0 && pixels % stride === 0;
  if (![...size, ...at].every(isWhole)) {
    throw new RangeError(
      `completeImages: the canvas's size [${size.join(', ')}] and the place [${at.join(', ')}] must be multiples of ${stride}, the pixels of a code.`,
    );
  }
  if (at.every((start, i) => start + image[i]! <= size[i]!)) return;
  throw new RangeError(
    `completeImages: images of ${by(image)} pixels at [${at.join(', ')}] do not lie on a canvas of ${by(size)}; enlarge it, or move them.`,
  );
}

function checkRequest(images: Tensor, mask: Tensor | null, canvas: Canvas | undefined): void {
  if (images.ndim !== 4) {
    throw new torch.ShapeError(
      `completeImages: images must be [batch, channels, height, width], got [${images.shape.join(', ')}].`,
    );
  }
  if (!mask && !canvas) {
    throw new TypeError(
      'completeImages: nothing is to be drawn; pass a mask, or a canvas that is larger than the images.',
    );
  }
  const [batch, , height, width] = images.shape as [number, number, number, number];
  const { shape } = mask ?? { shape: [height, width] };
  const own = shape.slice(-2);
  const rows = shape.length === 3 ? shape[0] : batch;
  if (shape.length < 2 || shape.length > 3 || rows !== batch || own[0] !== height || own[1] !== width) {
    throw new torch.ShapeError(
      `completeImages: the mask must be [${height}, ${width}] or [${batch}, ${height}, ${width}], the size of the images, got [${shape.join(', ')}].`,
    );
  }
}
