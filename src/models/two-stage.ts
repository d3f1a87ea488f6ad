/** The second stage: a transformer over the first stage's codes, after a condition (paper, section 3.2–3.3). */
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import * as nn from '../torch/nn/index.js';
import * as F from '../torch/nn/functional.js';
import { readConfig } from '../config/read.js';
import { flag, integer, kind, model, optional, text } from '../config/schema.js';
import type { Given, Settings } from '../config/schema.js';
import { checkpointSchema } from './registry/checkpoint-schema.js';
import type { Condition, Stage } from './conditions/condition.js';
import { encodedImage } from './conditions/encoded-image.js';
import { SOSProvider } from './conditions/none.js';
import type { Encoded } from './encoded.js';
import { IdentityPermuter, Permuter } from './orders/permuter.js';
import { GPT } from './priors/gpt.js';

/** A first stage as a second one uses it: it also turns grids of codes back into images. */
export interface ImageStage extends Stage {
  /** Number of indices that `decodeIndices` knows, from 0 on; left out: as many as the transformer has tokens. */
  readonly nCodes?: number;
  decodeIndices(indices: Tensor): Tensor;
}

const has = (value: unknown, ...methods: string[]): boolean =>
  value instanceof nn.Module && methods.every((name) => name in value);

// In the order in which the reference makes the parts, so that a seed gives the same weights.
const schema = {
  /** Trained VQGAN whose codes are modelled. It is frozen: evaluation mode for good, no gradients. */
  firstStageConfig: model<ImageStage>('a first stage, such as taming.models.vqgan.VQModel', (value) =>
    has(value, 'encode', 'decodeIndices'),
  ),
  /**
   * Encodes the condition, frozen likewise. `'__is_first_stage__'` shares the first stage,
   * `'__is_unconditional__'` (the default when `unconditional`) is a start token alone.
   */
  condStageConfig: optional(
    model<Stage | '__is_first_stage__' | '__is_unconditional__'>(
      '"__is_first_stage__", "__is_unconditional__" or a model that encodes a condition, such as a VQModel or a Labelator',
      (value) => value === '__is_first_stage__' || value === '__is_unconditional__' || has(value, 'encode'),
    ),
  ),
  /** Reading order of the codes, default row by row. */
  permuterConfig: optional(
    model<Permuter>(
      'a permuter, such as taming.modules.transformer.permuter.Identity',
      (value) => value instanceof Permuter,
    ),
  ),
  transformerConfig: model<GPT>('a GPT', (value) => value instanceof GPT),
  /** Batch entry with the images, default `image`. */
  firstStageKey: text('image'),
  /** Batch entry with the condition, default `depth`; the first stage's key when unconditional. */
  condStageKey: text('depth'),
  /** Resize the condition to this many pixels each side (nearest) before encoding; −1, the default, leaves it. */
  downsampleCondSize: integer(-1),
  /** In training, each image token is kept with this probability, else replaced by a random one; default 1. */
  pkeep: kind<number>('a number, at most 1', (value) => typeof value === 'number' && value <= 1, 'number')(1),
  /** Start token of unconditional sequences, default 0. */
  sosToken: integer(0),
  /** Default false. */
  unconditional: flag(false),
  ...checkpointSchema,
};

/** By the reference's names, camelCased, with models in place of configurations. */
export type Net2NetParts = Given<typeof schema>;

/** Our names of the parts, and the reference's, which its configuration files have. */
const referenceNames = {
  firstStage: 'firstStageConfig',
  condition: 'condStageConfig',
  order: 'permuterConfig',
  prior: 'transformerConfig',
} as const;

/**
 * The models that it is made of, as `prior`, `firstStage`, `condition` and `order` or by the reference's names, and the
 * reference's other parameters, camelCased.
 */
export type Net2NetTransformerConfig = Omit<Net2NetParts, 'firstStageConfig' | 'transformerConfig'> & {
  condition?: Net2NetParts['condStageConfig'];
  order?: Net2NetParts['permuterConfig'];
} & (Pick<Net2NetParts, 'firstStageConfig'> | { firstStage: ImageStage }) &
  (Pick<Net2NetParts, 'transformerConfig'> | { prior: GPT });

/** Reads a configuration, whichever names its parts are given under. */
function readParts(config: Net2NetTransformerConfig): Settings<typeof schema> {
  const owner = 'Net2NetTransformer';
  const given: Record<string, unknown> = { ...config };
  for (const [own, reference] of Object.entries(referenceNames)) {
    const part = given[own] ?? null;
    if (part === null) continue;
    if ((given[reference] ?? null) !== null) {
      throw new TypeError(`${owner}: ${own} and ${reference} name the same part; give one of them`);
    }
    given[reference] = part;
  }
  return readConfig(schema, given as Net2NetParts, owner);
}

/** What a stage makes of a batch: quantized `[B, C, h, w]` (stages differ) and tokens `[B, L]` int64. */
export type EncodedTokens = Pick<Encoded, 'quantized' | 'indices'>;

/** Puts a stage in evaluation mode for good, so that `train()` of the whole never wakes its dropout or statistics. */
function freeze<T extends nn.Module>(stage: T): T {
  stage.eval();
  stage.requiresGrad_(false);
  Object.defineProperty(stage, 'train', { value: () => stage, configurable: true, writable: true });
  return stage;
}

/**
 * Stage 2: a first stage that turns pictures into codes, a stage that turns their condition into codes, and a
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
  /** What its configuration may hold. */
  static readonly schema: typeof schema = schema;
  /** Pictures to codes and back; frozen. */
  readonly firstStageModel: ImageStage;
  /** Conditions to codes; frozen. */
  readonly condStageModel: Stage;
  /** The order in which the codes are read. */
  readonly permuter: Permuter;
  /** The model of the sequence of condition and codes. */
  readonly transformer: GPT;
  readonly condStageKey: string;
  readonly pkeep: number;
  readonly unconditional: boolean;
  /** What it was made from. */
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
    transformer.nCodes = Math.min(transformer.vocabSize, firstStage.nCodes ?? transformer.vocabSize);
    this.condStageKey = unconditional ? settings.firstStageKey : settings.condStageKey;
    this.pkeep = settings.pkeep;
    this.unconditional = unconditional;
  }

  /** What the transformer is conditioned on: the condition stage, or the images that it encodes. */
  get condition(): Condition {
    const stage = this.condStageModel;
    return 'parse' in stage ? (stage as Stage & Condition) : encodedImage(stage, this.condStageKey);
  }

  /** Training mode reaches the transformer; the frozen stages stay in evaluation mode. */
  override train(mode = true): this {
    super.train(mode);
    for (const stage of [this.firstStageModel, this.condStageModel]) {
      for (const module of stage.modules()) module.training = false;
    }
    return this;
  }

  /**
   * Images x `[B, C, H, W]` and their conditions → the transformer's `logits` `[B, L, V]` for the `targets`
   * `[B, L]`, the image's own codes in reading order. In training mode with `pkeep` < 1 the tokens the
   * transformer sees are partly replaced by uniformly random ones; the targets never are.
   */
  override forward(x: Tensor, c: Tensor): { logits: Tensor; targets: Tensor } {
    const targets = this.encodeToZ(x).indices; // [B, L]
    const condition = this.encodeToC(c).indices; // [B, N]
    return { logits: this.predict(targets, condition), targets };
  }

  /** As `forward`, from tokens: image codes in reading order `[B, L]` and condition `[B, N]` → `[B, L, V]`. */
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

  /** Images `[B, C, H, W]` → codes in reading order `[B, h·w]`. */
  encodeToZ(x: Tensor): EncodedTokens {
    return torch.noGrad(() => {
      const { quantized, indices } = this.firstStageModel.encode(x);
      return { quantized, indices: this.permuter.forward(indices.reshape([x.shape[0]!, -1])) };
    });
  }

  /** Conditions, whatever the condition stage takes → tokens `[B, N]`. Condition tokens keep their order. */
  encodeToC(c: Tensor): EncodedTokens {
    return torch.noGrad(() => {
      const size = this.config.downsampleCondSize;
      const input = size > -1 ? F.interpolate(c, { size: [size, size], mode: 'nearest' }) : c;
      const { quantized, indices } = this.condStageModel.encode(input);
      return { quantized, indices: indices.reshape([input.shape[0]!, -1]) };
    });
  }

  /**
   * Codes in reading order `[B, h·w]` → images `[B, C, H, W]`. `grid` is the code grid `[h, w]`; without it the
   * grid is square.
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

  /** Picks images and conditions out of a batch by the model's keys. */
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
