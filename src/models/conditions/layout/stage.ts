import { readConfig } from '../../../config/read.js';
import { oneOf, type Given } from '../../../config/schema.js';
import * as torch from '../../../torch/index.js';
import type { Tensor } from '../../../torch/index.js';
import * as nn from '../../../torch/nn/index.js';
import type { Encoded } from '../../encoded.js';
import type { Condition, ConditionSizes } from '../condition.js';
import {
  ObjectsBoundingBoxConditionalBuilder,
  ObjectsCenterPointsConditionalBuilder,
  ObjectsConditionalBuilder,
} from './builder.js';
import type { BoundingBox } from './boxes.js';

/**
 * Conditions on the layout of a scene, which a builder turns into tokens (arXiv 2105.06458).
 *
 * @example
 * ```ts
 * const stage = new LayoutStage({
 *   noObjectClasses: 4, noMaxObjects: 6, noTokens: 1024, encodeCrop: false, useGroupParameter: false,
 * });
 * const layout = stage.parse('[[0, 0.1, 0.2, 0.3, 0.7], [3, 0.5, 0.8, 0.2, 0.1]]'); // two objects: class and box
 * const { indices } = stage.encode(layout); // [1, 18]
 * ```
 */
export class LayoutStage extends nn.Module implements Condition {
  /** Schema of the accepted configuration. */
  static readonly schema = {
    ...ObjectsConditionalBuilder.schema,
    /** Tokens of an object's place, under the reference's names: two corners (the default), or its centre. */
    places: oneOf('objects_bbox', 'objects_center_points')('objects_bbox'),
  };
  /** Translates layouts to tokens and back. */
  readonly builder: ObjectsBoundingBoxConditionalBuilder | ObjectsCenterPointsConditionalBuilder;
  /** Field of an example that holds its layout. */
  readonly field = 'layout';
  /** Null: its field is not a map. */
  readonly channels = null;

  constructor(config: Given<typeof LayoutStage.schema>) {
    super();
    const { places, ...settings } = readConfig(LayoutStage.schema, config, 'LayoutStage');
    this.builder =
      places === 'objects_bbox'
        ? new ObjectsBoundingBoxConditionalBuilder(settings)
        : new ObjectsCenterPointsConditionalBuilder(settings);
  }

  /** Returns the sizes of the condition that `build` makes of a configuration. */
  static sizes(_params: unknown, _size: number, build: () => LayoutStage): ConditionSizes {
    const { builder } = build();
    return { ids: builder.config.noTokens, tokens: builder.embeddingDim };
  }

  /** Number of ids. */
  get nCodes(): number {
    return this.builder.config.noTokens;
  }

  /**
   * Encodes layouts `[B, 1 + n, 5]` as tokens `[B, embeddingDim]` int64. The first row is the view: 1 if it is mirrored,
   * and the box of the crop; the others are objects: class and box, or class −1 for none. Boxes are left, upper edge,
   * width and height in shares of the whole image. Synchronizes with a GPU.
   * @throws RangeError for a class that is not one, or for a crop beyond the image
   */
  encode(layouts: Tensor): Encoded {
    if (layouts.ndim !== 3 || layouts.shape[1] === 0 || layouts.shape[2] !== 5) {
      throw new torch.ShapeError(
        `LayoutStage expects layouts [batch, 1 + objects, 5], got shape [${layouts.shape.join(', ')}].`,
      );
    }
    const indices = torch.scope(() => {
      const rows = (layouts.tolist() as number[][][]).map(([view, ...objects]) => {
        const [flip, ...crop] = view as [number, ...number[]];
        const annotations = objects
          .filter(([category]) => category! >= 0)
          .map(([categoryNo, ...bbox]) => ({ categoryNo: categoryNo!, bbox: boxOf(bbox) }));
        return this.builder.build(annotations, boxOf(crop), flip === 1);
      });
      return torch.stack(rows).to(layouts.device);
    });
    return { quantized: indices, loss: null, indices };
  }

  /** Returns a description of how to write a layout. */
  choices(): string {
    return 'layouts (such as [[0, 0.1, 0.2, 0.3, 0.7]]: class, left, upper edge, width, height)';
  }

  /**
   * Parses a JSON list of objects, each `[class, left, upper edge, width, height]`, into a layout `[1, 1 + n, 5]` float64.
   * @throws RangeError if it is not such a list, or a class is not one
   */
  parse(layout: string): Tensor {
    const wrong = `a layout is written as a list of objects, each [class, left, upper edge, width, height] in shares of the image, such as [[0, 0.1, 0.2, 0.3, 0.7]]`;
    let objects: unknown;
    try {
      objects = JSON.parse(layout);
    } catch (cause) {
      throw new RangeError(wrong, { cause });
    }
    const isObject = (row: unknown): row is number[] =>
      Array.isArray(row) && row.length === 5 && row.every(Number.isFinite);
    if (!Array.isArray(objects) || !objects.every(isObject)) throw new RangeError(wrong);
    for (const [categoryNo] of objects) this.builder.objectRepresentation({ categoryNo: categoryNo! });
    return torch.tensor([[[0, 0, 0, 1, 1], ...objects]], { dtype: 'float64' });
  }
}

const boxOf = ([x, y, width, height]: readonly number[]): BoundingBox => [x!, y!, width!, height!];
