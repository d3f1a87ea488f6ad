/** Layouts of scenes as rows of tokens: what is where (arXiv 2105.06458, "High-Resolution Complex Scene Synthesis"). */
import { readConfig } from '../../../config/read.js';
import { count, flag, type Given, type Settings } from '../../../config/schema.js';
import * as torch from '../../../torch/index.js';
import type { Tensor } from '../../../torch/index.js';
import { objectFlags, type ObjectAnnotation, type ObjectFlags } from './annotation.js';
import { FULL_CROP, horizontallyFlipBbox, intersectionArea, rescaleBbox } from './boxes.js';
import type { BoundingBox } from './boxes.js';

const schema = {
  /** Number of classes; `categoryNo` is 0 to noObjectClasses − 1. */
  noObjectClasses: count(),
  /** Largest number of objects in a layout; further ones are left out. */
  noMaxObjects: count(),
  /** Size of the vocabulary, at least 4. The last id means "no object". */
  noTokens: count(),
  /** If true, boxes stay those of the whole image and two tokens for the crop are appended; else they are the crop's. */
  encodeCrop: flag(),
  /** If true, ids tell groups from single objects. */
  useGroupParameter: flag(),
  /** If true, ids also tell whether an object is occluded, a depiction, or seen from inside. Default false. */
  useAdditionalParameters: flag(false),
  /** If true, `build` shuffles the objects with the default generator, so that a model learns no order. Default true. */
  shuffle: flag(true),
};

/** Settings of a layout's tokens. */
export type LayoutConfig = Given<typeof schema>;

/** A point, in shares of the image's width and height. */
export type CenterPoint = readonly [x: number, y: number];

/** Rounds to the nearest integer, halves to the even one. */
function roundHalfToEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

/**
 * Translates annotated objects into a row of tokens and back: for each object its id (class and properties) and its
 * place, then empty objects up to `noMaxObjects`, then the crop if it is encoded. Coordinates are rounded to
 * `noSections` × `noSections` points. `P` is what tokens hold of a place.
 */
export abstract class ObjectsConditionalBuilder<P> {
  /** Schema of the accepted configuration. */
  static readonly schema: typeof schema = schema;
  /** Settings with defaults. */
  readonly config: Readonly<Settings<typeof schema>>;
  /** Number of coordinates in each direction: the root of `noTokens`, rounded down. */
  readonly noSections: number;
  /** Number of tokens of an object. */
  abstract readonly objectDescriptorLength: number;

  constructor(config: LayoutConfig) {
    const owner = new.target.name;
    this.config = readConfig(schema, config, owner);
    const { noObjectClasses, noTokens } = this.config;
    this.noSections = Math.floor(Math.sqrt(noTokens));
    const ids = noObjectClasses * (1 + this.#flags.reduce((sum, [, bit]) => sum + bit, 0));
    if (ids > this.none || this.noSections < 2) {
      const needed = Math.max(ids + 1, 4);
      throw new RangeError(
        `${owner}: ${noObjectClasses} classes with their properties take ${ids} ids and "no object" one more, but noTokens is ${noTokens}; ` +
          `pass noTokens of at least ${needed}, or fewer classes or properties.`,
      );
    }
  }

  /** Token of "no object". */
  get none(): number {
    return this.config.noTokens - 1;
  }

  /** Number of tokens of a layout. */
  get embeddingDim(): number {
    return this.config.noMaxObjects * this.objectDescriptorLength + (this.config.encodeCrop ? 2 : 0);
  }

  get #flags() {
    const { useGroupParameter, useAdditionalParameters } = this.config;
    return objectFlags.filter(([name]) =>
      name === 'isGroupOf' ? useGroupParameter : useAdditionalParameters,
    );
  }

  /** Returns the tokens of an object's place. */
  protected abstract tokensOf(box: BoundingBox): number[];
  /** Returns the place that an object's tokens hold. */
  protected abstract placeOf(tokens: readonly number[]): P;

  /** Returns the token of the point nearest to x and y, both from 0 to 1. */
  tokenizeCoordinates(x: number, y: number): number {
    const [column, row] = [x, y].map((at) => roundHalfToEven(at * (this.noSections - 1))) as [number, number];
    return row * this.noSections + column;
  }

  /** Returns the point of a token. */
  coordinatesFromToken(token: number): CenterPoint {
    const last = this.noSections - 1;
    return [(token % this.noSections) / last, Math.floor(token / this.noSections) / last];
  }

  /** Returns the tokens of a rectangle's upper left and lower right corner. */
  tokenPairFromBbox([x, y, width, height]: BoundingBox): [number, number] {
    return [this.tokenizeCoordinates(x, y), this.tokenizeCoordinates(x + width, y + height)];
  }

  /** Returns the rectangle between two corners. */
  bboxFromTokenPair(topLeft: number, bottomRight: number): BoundingBox {
    const [x, y] = this.coordinatesFromToken(topLeft);
    const [right, bottom] = this.coordinatesFromToken(bottomRight);
    return [x, y, right - x, bottom - y];
  }

  /**
   * Returns the id of an object: its class, and the bits of those properties that the settings use.
   * @throws RangeError for a class that is not one
   */
  objectRepresentation({ categoryNo, ...flags }: { categoryNo: number } & ObjectFlags): number {
    const { noObjectClasses } = this.config;
    if (!Number.isSafeInteger(categoryNo) || categoryNo < 0 || categoryNo >= noObjectClasses) {
      throw new RangeError(
        `${this.constructor.name}: there is no class ${categoryNo}; the layout has ${noObjectClasses} classes, 0 to ${noObjectClasses - 1}.`,
      );
    }
    const modifier = this.#flags.reduce((sum, [name, bit]) => sum + (flags[name] === true ? bit : 0), 0);
    return categoryNo + noObjectClasses * modifier;
  }

  /** Returns the class and the properties of an object's id. */
  representationToAnnotation(representation: number): { categoryNo: number } & Required<ObjectFlags> {
    const { noObjectClasses } = this.config;
    const modifier = Math.floor(representation / noObjectClasses);
    const has = (wanted: keyof ObjectFlags) =>
      this.#flags.some(([name, bit]) => name === wanted && (modifier & bit) !== 0);
    return {
      categoryNo: representation % noObjectClasses,
      isGroupOf: has('isGroupOf'),
      isOccluded: has('isOccluded'),
      isDepiction: has('isDepiction'),
      isInside: has('isInside'),
    };
  }

  /** Returns the objects that a layout can hold, in the order in which it lists them: shuffled, if set. */
  arrange(annotations: readonly ObjectAnnotation[]): ObjectAnnotation[] {
    const held = annotations.slice(0, this.config.noMaxObjects);
    if (!this.config.shuffle) return held;
    const order = torch.scope(() => torch.randperm(held.length).tolist() as number[]);
    return order.map((at) => held[at]!);
  }

  /**
   * Returns the tokens `[embeddingDim]` int64 of the objects that are in the crop, at least in part.
   *
   * @param crop part of the image that is seen; null or undefined: all of it
   * @param horizontalFlip the crop is mirrored left to right
   * @throws RangeError for a class that is not one, a box that is not four numbers, or a crop beyond the image
   */
  build(annotations: readonly ObjectAnnotation[], crop?: BoundingBox | null, horizontalFlip = false): Tensor {
    return this.tokensIn(this.arrange(annotations), crop ?? FULL_CROP, horizontalFlip);
  }

  /** Returns the tokens of arranged objects, as {@link build} does. */
  tokensIn(arranged: readonly ObjectAnnotation[], crop: BoundingBox, horizontalFlip = false): Tensor {
    this.#checkBoxes(arranged, crop);
    const { encodeCrop, noMaxObjects } = this.config;
    const visible = arranged.filter(({ bbox }) => intersectionArea(bbox, crop) > 0);
    const objects = visible.flatMap(({ bbox, ...object }) => [
      this.objectRepresentation(object),
      ...this.tokensOf(rescaleBbox(bbox, encodeCrop ? FULL_CROP : crop, horizontalFlip)),
    ]);
    const empty = (noMaxObjects - visible.length) * this.objectDescriptorLength;
    const seen = encodeCrop ? this.tokenPairFromBbox(horizontalFlip ? horizontallyFlipBbox(crop) : crop) : [];
    const tokens = [...objects, ...Array.from({ length: empty }, () => this.none), ...seen];
    return torch.tensor(BigInt64Array.from(tokens, BigInt));
  }

  /**
   * Returns what a row of tokens holds: the id and place of each object, and the crop if it is encoded.
   * @throws ShapeError for a row of another length
   */
  inverseBuild(condition: Tensor): [objects: [representation: number, place: P][], crop: BoundingBox | null] {
    if (condition.ndim !== 1 || condition.shape[0] !== this.embeddingDim) {
      throw new torch.ShapeError(
        `${this.constructor.name}: a layout has tokens [${this.embeddingDim}], got [${condition.shape.join(', ')}].`,
      );
    }
    const tokens = (condition.tolist() as (number | bigint)[]).map(Number);
    const { encodeCrop, noMaxObjects } = this.config;
    const length = this.objectDescriptorLength;
    const objects = Array.from({ length: noMaxObjects }, (_, i) =>
      tokens.slice(i * length, (i + 1) * length),
    );
    const [topLeft, bottomRight] = tokens.slice(-2) as [number, number];
    return [
      objects
        .filter(([representation]) => representation !== this.none)
        .map(([representation, ...place]) => [representation!, this.placeOf(place)]),
      encodeCrop ? this.bboxFromTokenPair(topLeft, bottomRight) : null,
    ];
  }

  #checkBoxes(annotations: readonly ObjectAnnotation[], crop: BoundingBox): void {
    const owner = this.constructor.name;
    const wrong = annotations.find(
      ({ bbox }) => bbox.length !== 4 || !bbox.every(Number.isFinite) || bbox[2] < 0 || bbox[3] < 0,
    );
    if (wrong) {
      throw new RangeError(
        `${owner}: a box must be [x, y, width, height] in shares of the image, got ${JSON.stringify(wrong.bbox)}.`,
      );
    }
    const [x, y, width, height] = crop;
    const rounding = 1e-9;
    const inside =
      x >= -rounding && y >= -rounding && x + width <= 1 + rounding && y + height <= 1 + rounding;
    if (inside && width > 0 && height > 0) return;
    throw new RangeError(
      `${owner}: the crop must be [x, y, width, height] within the image, [0, 0, 1, 1], got ${JSON.stringify(crop)}.`,
    );
  }
}

/**
 * Layouts of two tokens an object: its id and its centre.
 *
 * @example
 * ```ts
 * const builder = new ObjectsCenterPointsConditionalBuilder({
 *   noObjectClasses: 80, noMaxObjects: 30, noTokens: 8192, encodeCrop: true, useGroupParameter: true,
 * });
 * const tokens = builder.build([{ categoryNo: 17, bbox: [0.1, 0.5, 0.3, 0.4] }]); // [62]
 * const [[[id, centre]]] = builder.inverseBuild(tokens); // 17, about (0.25, 0.7)
 * ```
 */
export class ObjectsCenterPointsConditionalBuilder extends ObjectsConditionalBuilder<CenterPoint> {
  readonly objectDescriptorLength = 2;

  protected tokensOf([x, y, width, height]: BoundingBox): number[] {
    return [this.tokenizeCoordinates(x + width / 2, y + height / 2)];
  }

  protected placeOf([token]: readonly number[]): CenterPoint {
    return this.coordinatesFromToken(token!);
  }
}

/**
 * Layouts of three tokens an object: its id, and the upper left and lower right corner of its box.
 *
 * @example
 * ```ts
 * const builder = new ObjectsBoundingBoxConditionalBuilder({
 *   noObjectClasses: 80, noMaxObjects: 30, noTokens: 8192, encodeCrop: true, useGroupParameter: true,
 * });
 * const tokens = builder.build([{ categoryNo: 17, bbox: [0.1, 0.5, 0.3, 0.4] }]); // [92]
 * const [[[id, box]], crop] = builder.inverseBuild(tokens); // 17, its box within 1/178, the whole image
 * ```
 */
export class ObjectsBoundingBoxConditionalBuilder extends ObjectsConditionalBuilder<BoundingBox> {
  readonly objectDescriptorLength = 3;

  protected tokensOf(box: BoundingBox): number[] {
    return this.tokenPairFromBbox(box);
  }

  protected placeOf([topLeft, bottomRight]: readonly number[]): BoundingBox {
    return this.bboxFromTokenPair(topLeft!, bottomRight!);
  }
}
