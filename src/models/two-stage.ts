/** The second stage: a transformer over a condition and the first stage's codes (paper, sections 3.2–3.3). */
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import * as nn from '../torch/nn/index.js';
import * as F from '../torch/nn/functional.js';
import { readConfig } from '../config/read.js';
import { flag, integer, kind, model, natural, optional, text } from '../config/schema.js';
import type { Given, Settings } from '../config/schema.js';
import { checkpointSchema } from './registry/checkpoint-schema.js';
import type { Condition, Stage } from './conditions/condition.js';
import { encodedImage } from './conditions/encoded-image.js';
import { SOSProvider } from './conditions/none.js';
import type { Encoded } from './encoded.js';
import { IdentityPermuter, Permuter } from './orders/permuter.js';
import { GPT } from './priors/gpt.js';

/** A first stage as used by a second stage: it also decodes grids of codes into images. */
export interface ImageStage extends Stage {
  /** Number of indices that `decodeIndices` accepts, from 0 on; if undefined, the transformer's vocabulary size. */
  readonly nCodes?: number;
  decodeIndices(indices: Tensor): Tensor;
}

const has = (value: unknown, ...methods: string[]): boolean =>
  value instanceof nn.Module && methods.every((name) => name in value);

// Listed in the order in which the reference builds the parts, so that a seed gives the same weights.
const schema = {
  /** Trained VQGAN whose codes are modelled. It is frozen: always in evaluation mode, without gradients. */
  firstStageConfig: model<ImageStage>('a first stage, such as taming.models.vqgan.VQModel', (value) =>
    has(value, 'encode', 'decodeIndices'),
  ),
  /**
   * Model that encodes the condition, also frozen. `'__is_first_stage__'` shares the first stage;
   * `'__is_unconditional__'` (the default if `unconditional`) uses only a start token.
   */
  condStageConfig: optional(
    model<Stage | '__is_first_stage__' | '__is_unconditional__'>(
      '"__is_first_stage__", "__is_unconditional__" or a model that encodes a condition, such as a VQModel or a Labelator',
      (value) => value === '__is_first_stage__' || value === '__is_unconditional__' || has(value, 'encode'),
    ),
  ),
  /** Reading order of the codes. Default: row by row. */
  permuterConfig: optional(
    model<Permuter>(
      'a permuter, such as taming.modules.transformer.permuter.Identity',
      (value) => value instanceof Permuter,
    ),
  ),
  transformerConfig: model<GPT>('a GPT', (value) => value instanceof GPT),
  /** Batch entry with the images. Default `image`. */
  firstStageKey: text('image'),
  /** Batch entry with the condition. Default `depth`, or the first stage's key if unconditional. */
  condStageKey: text('depth'),
  /** Side in pixels to which the condition is resized (nearest) before encoding. Default −1: it is not resized. */
  downsampleCondSize: integer(-1),
  /** Probability of keeping each image token in training; others are replaced by random tokens. Default 1. */
  pkeep: kind<number>(
    'a number of at most 1',
    (value) => typeof value === 'number' && value <= 1,
    'number',
  )(1),
  /** Start token of unconditional sequences. Default 0. */
  sosToken: integer(0),
  /**
   * Token id that stands for each token of a dropped condition, for classifier-free guidance. Not a setting of the
   * reference; by default conditions are never dropped.
   */
  nullToken: optional(natural()),
  /** If true, the model is unconditional. Default false. */
  unconditional: flag(false),
  ...checkpointSchema,
};

/** Settings under the reference's names in camelCase, with models instead of configurations. */
export type Net2NetParts = Given<typeof schema>;

/** Names of the parts in this package, mapped to the reference's names used in its configuration files. */
const referenceNames = {
  firstStage: 'firstStageConfig',
  condition: 'condStageConfig',
  order: 'permuterConfig',
  prior: 'transformerConfig',
} as const;

/**
 * The models it consists of, given as `prior`, `firstStage`, `condition` and `order` or under the reference's names, plus
 * the reference's other parameters in camelCase.
 */
export type Net2NetTransformerConfig = Omit<Net2NetParts, 'firstStageConfig' | 'transformerConfig'> & {
  condition?: Net2NetParts['condStageConfig'];
  order?: Net2NetParts['permuterConfig'];
} & (Pick<Net2NetParts, 'firstStageConfig'> | { firstStage: ImageStage }) &
  (Pick<Net2NetParts, 'transformerConfig'> | { prior: GPT });

/** Reads a configuration that uses either set of names for its parts. */
function readParts(config: Net2NetTransformerConfig): Settings<typeof schema> {
  const owner = 'Net2NetTransformer';
  const given: Record<string, unknown> = { ...config };
  for (const [own, reference] of Object.entries(referenceNames)) {
    const part = given[own] ?? null;
    if (part === null) continue;
    if ((given[reference] ?? null) !== null) {
      throw new TypeError(`${owner}: ${own} and ${reference} name the same part; pass only one of them`);
    }
    given[reference] = part;
  }
  return readConfig(schema, given as Net2NetParts, owner);
}

/** Output of a stage for a batch: quantized `[B, C, h, w]` (the shape depends on the stage) and tokens `[B, L]` int64. */
export type EncodedTokens = Pick<Encoded, 'quantized' | 'indices'>;

/** Freezes a stage in evaluation mode, so that `train()` on the outer model does not enable its dropout or statistics. */
function freeze<T extends nn.Module>(stage: T): T {
  stage.eval();
  stage.requiresGrad_(false);
  Object.defineProperty(stage, 'train', { value: () => stage, configurable: true, writable: true });
  return stage;
}

/**
 * The second stage: a first stage that encodes images, a condition stage that encodes their conditions, and a
 * transformer over both (arXiv 2012.09841, section 3.2). Only the transformer is trained.
 *
 * @example
 * ```ts
 * const net = new Net2NetTransformer({
 *   firstStage: new VQModel({ ddconfig: backbones.f16, nEmbed: 1024, embedDim: 256 }),
 *   prior: new GPT({ vocabSize: 1024, blockSize: 256, nLayer: 4, nHead: 8, nEmbd: 256 }),
 *   condition: '__is_unconditional__',
 * });
 * const images = torch.zeros([1, 3, 64, 64]);
 * const { logits, targets } = net.forward(images, images); // 16 codes an image
 * ```
 */
export class Net2NetTransformer extends nn.Module {
  protected static override readonly scoped: readonly string[] = [
    'predict',
    'encodeToZ',
    'encodeToC',
    'decodeToImg',
  ];
  /** Schema of the accepted configuration. */
  static readonly schema: typeof schema = schema;
  /** Encodes images into codes and decodes them; frozen. */
  readonly firstStageModel: ImageStage;
  /** Encodes conditions into codes; frozen. */
  readonly condStageModel: Stage;
  /** Reading order of the codes. */
  readonly permuter: Permuter;
  /** Autoregressive model of the sequence of condition tokens and image codes. */
  readonly transformer: GPT;
  readonly condStageKey: string;
  readonly pkeep: number;
  readonly unconditional: boolean;
  /** Configuration this was built from. */
  readonly config: Readonly<Settings<typeof schema>>;

  constructor(config: Net2NetTransformerConfig) {
    super();
    const settings = readParts(config);
    const { firstStageConfig: firstStage, transformerConfig: transformer, sosToken } = settings;
    const unconditional = settings.unconditional || settings.condStageConfig === '__is_unconditional__';
    const condition = settings.condStageConfig ?? (unconditional ? '__is_unconditional__' : undefined);
    if (!condition) {
      throw new TypeError(
        'Net2NetTransformer needs condStageConfig: a stage, "__is_first_stage__" or "__is_unconditional__".',
      );
    }

    this.config = settings;
    this.firstStageModel = freeze(firstStage);
    if (condition === '__is_first_stage__') this.condStageModel = this.firstStageModel;
    else if (condition === '__is_unconditional__') this.condStageModel = new SOSProvider({ sosToken });
    else this.condStageModel = freeze(condition);
    this.permuter = settings.permuterConfig ?? new IdentityPermuter();
    this.transformer = transformer;
    const { nullToken } = settings;
    if (nullToken !== undefined && nullToken >= transformer.vocabSize) {
      throw new RangeError(
        `Net2NetTransformer: nullToken ${nullToken} is not in the vocabulary of ${transformer.vocabSize} ids; enlarge vocabSize.`,
      );
    }
    transformer.nCodes = Math.min(transformer.vocabSize, firstStage.nCodes ?? transformer.vocabSize);
    this.condStageKey = unconditional ? settings.firstStageKey : settings.condStageKey;
    this.pkeep = settings.pkeep;
    this.unconditional = unconditional;
  }

  /** The condition of the transformer: the condition stage, or the images that it encodes. */
  get condition(): Condition {
    const stage = this.condStageModel;
    return 'parse' in stage ? (stage as Stage & Condition) : encodedImage(stage, this.condStageKey);
  }

  /**
   * Returns the dropped condition in the shape of condition tokens `[B, N]`: all `nullToken`. Null if the model has none, so
   * that it cannot be guided.
   */
  dropped(condition: Tensor): Tensor | null {
    const { nullToken } = this.config;
    return nullToken === undefined ? null : torch.fullLike(condition, nullToken);
  }

  /** Sets the mode of the transformer; the frozen stages stay in evaluation mode. */
  override train(mode = true): this {
    super.train(mode);
    for (const stage of [this.firstStageModel, this.condStageModel]) {
      for (const module of stage.modules()) module.training = false;
    }
    return this;
  }

  /**
   * Returns the transformer's `logits` `[B, L, V]` and the `targets` `[B, L]` for images x `[B, C, H, W]` and their
   * conditions. The targets are the image codes in reading order. In training mode with `pkeep` < 1, some input
   * tokens are replaced by uniformly random ones; the targets never are.
   */
  override forward(x: Tensor, c: Tensor): { logits: Tensor; targets: Tensor } {
    const targets = this.encodeToZ(x).indices; // [B, L]
    const condition = this.encodeToC(c).indices; // [B, N]
    return { logits: this.predict(targets, condition), targets };
  }

  /** Computes the logits `[B, L, V]` from image codes in reading order `[B, L]` and condition tokens `[B, N]`. */
  predict(targets: Tensor, condition: Tensor): Tensor {
    const seen = this.training && this.pkeep < 1 ? this.#replaceSome(targets) : targets;
    const tokens = torch.cat([condition, seen], 1); // [B, N + L]
    const logits = this.transformer.forward(tokens.narrow(1, 0, tokens.shape[1]! - 1)); // [B, N + L − 1, V]
    return logits.narrow(1, condition.shape[1]! - 1, targets.shape[1]!); // [B, L, V]
  }

  #replaceSome(tokens: Tensor): Tensor {
    const keep = torch
      .full(tokens.shape, this.pkeep, { dtype: 'float32', device: tokens.device })
      .bernoulli();
    const random = torch.randintLike(tokens, this.transformer.vocabSize);
    return torch.where(keep.bool(), tokens, random);
  }

  /** Encodes images `[B, C, H, W]` into codes in reading order `[B, h·w]`. */
  encodeToZ(x: Tensor): EncodedTokens {
    return torch.noGrad(() => {
      const { quantized, indices } = this.firstStageModel.encode(x);
      return { quantized, indices: this.permuter.forward(indices.reshape([x.shape[0]!, -1])) };
    });
  }

  /** Encodes inputs of the condition stage into tokens `[B, N]`. Condition tokens are not reordered. */
  encodeToC(c: Tensor): EncodedTokens {
    return torch.noGrad(() => {
      const size = this.config.downsampleCondSize;
      const input = size > -1 ? F.interpolate(c, { size: [size, size], mode: 'nearest' }) : c;
      const { quantized, indices } = this.condStageModel.encode(input);
      return { quantized, indices: indices.reshape([input.shape[0]!, -1]) };
    });
  }

  /**
   * Decodes codes in reading order `[B, h·w]` into images `[B, C, H, W]`. `grid` is the code grid `[h, w]`; by default
   * it is square.
   */
  decodeToImg(indices: Tensor, grid?: readonly [number, number]): Tensor {
    const [batch, count] = indices.shape as [number, number];
    const side = Math.round(Math.sqrt(count));
    const [height, width] = grid ?? [side, side];
    if (indices.ndim !== 2 || height * width !== count) {
      throw new torch.ShapeError(
        `decodeToImg: codes of shape [${indices.shape.join(', ')}] do not fill a ${height}×${width} grid; ` +
          `pass the grid as [height, width].`,
      );
    }
    return torch.noGrad(() => {
      const codes = this.permuter.forward(indices, true).reshape([batch, height, width]);
      return this.firstStageModel.decodeIndices(codes);
    });
  }

  /** Returns the images and conditions of a batch, selected by the model's keys. */
  inputs(batch: Record<string, Tensor>): { x: Tensor; c: Tensor } {
    const pick = (key: string): Tensor => {
      const value = batch[key];
      if (!value) {
        throw new TypeError(
          `The batch has no "${key}"; it has ${Object.keys(batch).join(', ') || 'nothing'}.`,
        );
      }
      return value;
    };
    return { x: pick(this.config.firstStageKey), c: pick(this.condStageKey) };
  }
}
