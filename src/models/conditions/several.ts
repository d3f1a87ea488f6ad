import { readConfig } from '../../config/read.js';
import { flag, kind, models, natural, optional, type Given } from '../../config/schema.js';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as nn from '../../torch/nn/index.js';
import { checkSingleCodes } from '../autoencoder/single-codes.js';
import type { Encoded } from '../encoded.js';
import type { Condition, ConditionInput, Stage } from './condition.js';
import { encodedImage } from './encoded-image.js';

/** One of several conditions. */
export interface ConditionPart {
  /** Module that encodes it. */
  condStageModel: Stage;
  condition: Condition;
  /** Added to its ids. */
  offset: number;
}

const keys = kind<readonly (string | null)[]>(
  'a list of names, or null',
  (value) => Array.isArray(value) && value.every((name) => name === null || typeof name === 'string'),
);

/**
 * Several conditions at once: their tokens follow each other, in the given order. By default each has ids of its own,
 * after those of the image and of the conditions before it.
 *
 * @example
 * ```ts
 * const stage = new Several({
 *   conditions: [new Labelator({ nClasses: 10 }), new CoordStage({ nEmbed: 63, downFactor: 16 })],
 *   firstId: 1024, // after the codes of the image
 * });
 * const { indices } = stage.encode([torch.tensor([3n, 7n]), torch.rand([2, 1, 32, 32])]); // [2, 1 + 4]
 * ```
 */
export class Several extends nn.Module implements Condition {
  protected static override readonly scoped: readonly string[] = ['encode', 'encodeParts'];
  /** Schema of the accepted configuration. */
  static readonly schema = {
    /** The conditions, in the order of their tokens. */
    conditions: models<Stage>(
      'a list of conditions, such as a Labelator and a VQModel',
      (value) => value instanceof nn.Module && 'encode' in value,
    ),
    /** Field that each reads, in their order; null for its own. A VQGAN needs one, as it does not know its own. */
    keys: optional(keys()),
    /** True if ids of different conditions, and of the image, are different. Default true; the reference shares them. */
    separateVocabulary: flag(true),
    /** The first id, if they are: the number of the image's codes. Default 0. */
    firstId: natural(0),
  };
  readonly conditions: nn.ModuleList<Stage>;
  /** The conditions in the order of their tokens. */
  readonly parts: readonly ConditionPart[];
  /** Number of ids, counted from 0. */
  readonly nCodes: number;
  /** Name of the whole; its fields are `fields`. */
  readonly field = 'several';

  constructor(config: Given<typeof Several.schema>) {
    super();
    const settings = readConfig(Several.schema, config, 'Several');
    const { conditions, separateVocabulary: separate, keys: names = [] } = settings;
    this.conditions = new nn.ModuleList([...conditions]);
    const parts: ConditionPart[] = [];
    let next = separate ? settings.firstId : 0;
    let most = next;
    for (const [i, condStageModel] of conditions.entries()) {
      checkSingleCodes(condStageModel, `Several: condition ${i}`);
      const condition = conditionOf(condStageModel, names[i] ?? null, i);
      const count = condStageModel.nCodes;
      if (separate && count === undefined) {
        throw new TypeError(
          `Several: condition ${i}, a ${condStageModel.constructor.name}, does not know the number of its ids: set separateVocabulary to false`,
        );
      }
      parts.push({ condStageModel, condition, offset: separate ? next : 0 });
      if (separate) next += count!;
      most = Math.max(most, separate ? next : (count ?? 0));
    }
    this.parts = parts;
    this.nCodes = most;
  }

  /** Fields that the conditions read, in their order. */
  get fields(): string[] {
    return this.parts.map(({ condition }) => condition.field!);
  }

  /** Encodes a batch of each condition's field, in their order, as tokens `[B, N]` int64: those of all, joined. */
  encode(values: ConditionInput): Encoded {
    const indices = torch.cat(this.encodeParts(values), 1);
    return { quantized: indices, loss: null, indices };
  }

  /**
   * Encodes a batch of each condition's field as the tokens `[B, N]` of each, in their order, which `sampleImages` takes
   * for images of any size.
   * @throws TypeError if there are not as many values as conditions
   */
  encodeParts(values: ConditionInput): Tensor[] {
    const list = values instanceof torch.Tensor ? [values] : values;
    if (list.length !== this.parts.length) {
      throw new TypeError(
        `Several: it has ${this.parts.length} conditions (${this.fields.join(', ')}), but was given ${list.length}`,
      );
    }
    return this.parts.map(({ condStageModel, offset }, i) => {
      const { indices } = condStageModel.encode(list[i]!);
      return indices.reshape([list[i]!.shape[0]!, -1]).add(offset); // [B, N of this one]
    });
  }

  /** Joins the descriptions of the choices of all conditions. */
  choices(names: readonly string[]): string {
    return this.parts.map(({ condition }) => condition.choices(names)).join(' and ');
  }

  /** @throws RangeError always: each condition is given on its own */
  parse(): never {
    throw new RangeError('several conditions cannot be given as one text; parse each of `parts`');
  }
}

/** Returns one condition of several. @throws TypeError if it embeds, reads no field, or is a VQGAN without a field */
function conditionOf(stage: Stage, key: string | null, i: number): Condition {
  if ('embed' in stage) {
    throw new TypeError(
      `Several: condition ${i}, a ${stage.constructor.name}, gives vectors instead of tokens`,
    );
  }
  if ('parse' in stage && (stage as Stage & Condition).field !== null) return stage as Stage & Condition;
  if (key !== null) return encodedImage(stage, key);
  throw new TypeError(
    `Several: condition ${i}, a ${stage.constructor.name}, does not know its field: name it in keys, such as [null, "segmentation"]`,
  );
}
