import { nearest } from '../../config/nearest.js';
import { readConfig } from '../../config/read.js';
import { count, flag, optional, type Given } from '../../config/schema.js';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as nn from '../../torch/nn/index.js';
import type { Encoded } from '../encoded.js';
import type { Condition, ConditionSizes } from './condition.js';

/**
 * Conditions on class labels: the class id is the only conditioning token.
 *
 * @example
 * ```ts
 * const stage = new Labelator({ nClasses: 1000 });
 * const { indices } = stage.encode(torch.tensor([207n, 9n])); // [2, 1]
 * ```
 */
export class Labelator extends nn.Module implements Condition {
  /** Schema of the accepted configuration. */
  static readonly schema = {
    /** Number of classes; labels are 0 to nClasses − 1. */
    nClasses: count(),
    /** Stored, but has no effect: `encode` always has the quantizer's interface. */
    quantizeInterface: optional(flag()),
  };
  /** Number of classes; labels are 0 to nClasses − 1. */
  readonly nClasses: number;
  /** Field of an example that holds its class. */
  readonly field = 'label';
  /** Null: its field is not a map. */
  readonly channels = null;

  constructor(config: Given<typeof Labelator.schema>) {
    super();
    this.nClasses = readConfig(Labelator.schema, config, 'Labelator').nClasses;
  }

  /** Returns the sizes for `params` of a configuration; a number of classes that is not known yet counts as 0. */
  static sizes(params: Readonly<Record<string, unknown>>): ConditionSizes {
    return { ids: (params['n_classes'] ?? 0) as number, tokens: 1 };
  }

  /** Number of ids: one for each class. */
  get nCodes(): number {
    return this.nClasses;
  }

  /**
   * Encodes labels `[B]` as indices `[B, 1]` int64.
   * @throws RangeError for a label that is not a class; labels on a GPU are not checked, to avoid a synchronization
   */
  encode(labels: Tensor): Encoded {
    if (labels.ndim !== 1) {
      throw new torch.ShapeError(`Labelator expects labels [batch], got shape [${labels.shape.join(', ')}].`);
    }
    if (labels.device === 'cpu') this.check(labels);
    const quantized = labels.unsqueeze(1);
    return { quantized, loss: null, indices: quantized.long() };
  }

  /**
   * Checks that every label is a valid class id. Synchronizes with the device.
   * @throws RangeError naming the first invalid label
   */
  check(labels: Tensor): void {
    const wrong = torch.scope(() => {
      const whole = labels.long();
      const outside = whole.lt(0).logicalOr(whole.ge(this.nClasses)).logicalOr(labels.ne(whole));
      if (!torch.callOperator('aten::item', '', [outside.any()])) return undefined;
      return labels.maskedSelect(outside).select(0, 0).item();
    });
    if (wrong === undefined) return;
    throw new RangeError(
      `Labelator: there is no class ${wrong}; the model has ${this.nClasses} classes, 0 to ${this.nClasses - 1}.`,
    );
  }

  /** Returns a description with the number of classes and some of their names. */
  choices(names: readonly string[]): string {
    const some = names.length > 0 ? ` (${names.slice(0, 8).join(', ')}${names.length > 8 ? ', …' : ''})` : '';
    return `${this.nClasses} classes${some}`;
  }

  /**
   * Parses the name or number of a class into a label, `[1]` int64.
   * @throws RangeError with the closest name if there is no such class
   */
  parse(text: string, names: readonly string[]): Tensor {
    const byName = names.indexOf(text);
    const label = byName >= 0 ? byName : /^\d+$/.test(text) ? Number(text) : -1;
    if (label >= 0 && label < this.nClasses) return torch.tensor([label], { dtype: 'int64' });
    const hint =
      names.length > 0
        ? `the nearest is "${nearest(text, names)}"`
        : `the classes are 0 to ${this.nClasses - 1}`;
    throw new RangeError(`there is no such class; ${hint}`);
  }
}
