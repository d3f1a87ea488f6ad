/** The second stage: a transformer over a condition and the first stage's codes (paper, sections 3.2–3.3). */
import * as torch from '../torch/index.js';
import type { Tensor } from '../torch/index.js';
import * as nn from '../torch/nn/index.js';
import * as F from '../torch/nn/functional.js';
import { checkSingleCodes } from './autoencoder/single-codes.js';
import type { Condition, ConditionInput, Stage } from './conditions/condition.js';
import { encodedImage } from './conditions/encoded-image.js';
import { SOSProvider } from './conditions/none.js';
import type { Encoded } from './encoded.js';
import { IdentityPermuter, type Permuter } from './orders/permuter.js';
import type { GPT } from './priors/gpt.js';
import type { Prior } from './priors/prior.js';
import { readParts, twoStageSchema } from './two-stage-config.js';
import type { ImageStage, Net2NetTransformerConfig, TwoStageSettings } from './two-stage-config.js';

export type { ImageStage, Net2NetParts, Net2NetTransformerConfig } from './two-stage-config.js';

/** Output of a stage for a batch: quantized `[B, C, h, w]` (the shape depends on the stage) and tokens `[B, L]` int64. */
export type EncodedTokens = Pick<Encoded, 'quantized' | 'indices'>;

/** Freezes a stage in evaluation mode, so that `train()` on the outer model does not enable its dropout or statistics. */
function freeze<T extends nn.Module>(stage: T): T {
  stage.eval();
  stage.requiresGrad_(false);
  Object.defineProperty(stage, 'train', { value: () => stage, configurable: true, writable: true });
  return stage;
}

/** @throws RangeError if a condition embeds to another width than the transformer's, or the transformer takes no vectors */
function checkWidth(
  condition: Stage & Partial<Condition> & { readonly nEmbd?: number },
  { nEmbd }: Prior,
): void {
  if (!condition.embed) return;
  if (nEmbd === undefined) {
    throw new RangeError(
      'Net2NetTransformer: the condition embeds, but the transformer takes tokens only; use a condition of tokens.',
    );
  }
  if (condition.nEmbd === undefined || condition.nEmbd === nEmbd) return;
  throw new RangeError(
    `Net2NetTransformer: the condition embeds to nEmbd ${condition.nEmbd}, but the transformer's is ${nEmbd}; set them to the same.`,
  );
}

/**
 * The second stage: a first stage that encodes images, a condition stage that encodes their conditions, and a
 * transformer over both (arXiv 2012.09841, section 3.2). Only the transformer is trained, with the projection of a
 * condition that embeds.
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
export class Net2NetTransformer<P extends Prior = GPT> extends nn.Module {
  protected static override readonly scoped: readonly string[] = [
    'predict',
    'encodeToZ',
    'encodeToC',
    'decodeToImg',
  ];
  /** Schema of the accepted configuration. */
  static readonly schema: typeof twoStageSchema = twoStageSchema;
  /** Encodes images into codes and decodes them; frozen. */
  readonly firstStageModel: ImageStage;
  /** Encodes conditions into codes; frozen, unless the condition embeds. */
  readonly condStageModel: Stage;
  /** Reading order of the codes. */
  readonly permuter: Permuter;
  /** Autoregressive model of the sequence of condition tokens and image codes. */
  readonly transformer: P;
  readonly condStageKey: string;
  readonly pkeep: number;
  readonly unconditional: boolean;
  /** Configuration this was built from. */
  readonly config: Readonly<TwoStageSettings<P>>;

  constructor(config: Net2NetTransformerConfig<P>) {
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
    else this.condStageModel = 'embed' in condition ? condition : freeze(condition);
    this.permuter = settings.permuterConfig ?? new IdentityPermuter();
    this.transformer = transformer;
    checkSingleCodes(firstStage, 'Net2NetTransformer');
    checkSingleCodes(this.condStageModel, 'Net2NetTransformer');
    checkWidth(this.condStageModel, transformer);
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

  /** The condition stage if it is trained with the transformer, because its condition embeds; otherwise null. */
  get learnedCondition(): Stage | null {
    return this.condition.embed ? this.condStageModel : null;
  }

  /** True if it was trained with dropped conditions, so that it can be guided. */
  get isGuidable(): boolean {
    const { embed, hasDropped = false } = this.condition;
    return embed ? hasDropped : this.config.nullToken !== undefined;
  }

  /**
   * Returns the dropped condition in the shape of an encoded condition: tokens `[B, N]`, all `nullToken`, or vectors
   * `[B, N, D]`, all 0. Null if the model has none, so that it cannot be guided.
   */
  dropped(condition: Tensor): Tensor | null {
    if (!this.isGuidable) return null;
    return torch.fullLike(condition, this.condition.embed ? 0 : this.config.nullToken!);
  }

  /** Sets the mode of the transformer; the other stages stay in evaluation mode. */
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
  override forward(x: Tensor, c: ConditionInput): { logits: Tensor; targets: Tensor } {
    const targets = this.encodeToZ(x).indices; // [B, L]
    const condition = this.encodeToC(c).indices; // [B, N]
    return { logits: this.predict(targets, condition), targets };
  }

  /**
   * Computes the logits `[B, L, V]` from image codes in reading order `[B, L]` and the encoded condition, tokens `[B, N]` or
   * vectors `[B, N, D]`.
   */
  predict(targets: Tensor, condition: Tensor): Tensor {
    const seen = this.training && this.pkeep < 1 ? this.#replaceSome(targets) : targets;
    const embeddings = this.condition.embed?.(condition) ?? null; // [B, N, E]
    const tokens = embeddings ? seen : torch.cat([condition, seen], 1); // [B, L] or [B, N + L]
    const given = tokens.narrow(1, 0, tokens.shape[1]! - 1);
    const logits = this.transformer.forward(given, { embeddings }); // [B, N + L − 1, V]
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

  /**
   * Encodes inputs of the condition stage into tokens `[B, N]`, or into vectors `[B, N, D]` if the condition embeds. They
   * are not reordered.
   */
  encodeToC(c: ConditionInput): EncodedTokens {
    return torch.noGrad(() => {
      const size = this.config.downsampleCondSize;
      const resized = (x: Tensor) =>
        size > -1 ? F.interpolate(x, { size: [size, size], mode: 'nearest' }) : x;
      // Only a condition of several takes a list.
      const input = c instanceof torch.Tensor ? resized(c) : (c as unknown as Tensor);
      const { quantized, indices } = this.condStageModel.encode(input);
      const embeds = this.condition.embed !== undefined;
      return { quantized, indices: embeds ? indices : indices.flatten(1) };
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
  inputs(batch: Record<string, Tensor>): { x: Tensor; c: ConditionInput } {
    const pick = (key: string): Tensor => {
      const value = batch[key];
      if (!value) {
        throw new TypeError(
          `The batch has no "${key}"; it has ${Object.keys(batch).join(', ') || 'nothing'}.`,
        );
      }
      return value;
    };
    const { fields } = this.condition;
    return { x: pick(this.config.firstStageKey), c: fields ? fields.map(pick) : pick(this.condStageKey) };
  }
}

/** A second stage with any prior. */
export type TwoStage = Net2NetTransformer<Prior>;
