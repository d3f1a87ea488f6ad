/** A frozen codebook behind a trained linear map, which moves all codes at once (arXiv 2411.02038, equation 8). */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as nn from '../../torch/nn/index.js';
import { readConfig } from '../../config/read.js';
import { count, flag, kind, number, optional, type Given, type Settings } from '../../config/schema.js';
import type { Quantized } from '../encoded.js';
import { channelsToFront } from './latents.js';
import { LookupQuantizer, straightThrough, type QuantizerConfig } from './quantizer.js';
import { remapSchema } from './remap.js';
import { rotatedTo } from './rotation-trick.js';

const schema = {
  /** Width of a code, D; together with `codebookSize`, and with the keys of lucidrains/vector-quantize-pytorch. */
  dim: optional(count()),
  /** Number of codes in the codebook. */
  codebookSize: optional(count()),
  /** Width of a code, D; together with `nEmbed`, and with the keys and defaults of youngsheen/SimVQ. */
  embedDim: optional(count()),
  /** Number of codes in the codebook. */
  nEmbed: optional(count()),
  /** Width of the frozen codes. Default D. */
  frozenCodebookDim: optional(count()),
  /** Module that maps the frozen codes to the codes, [K, frozenCodebookDim] → [K, D]. Default: a linear map. */
  codebookTransform: optional(
    kind<nn.Module>(
      'a module that maps the frozen codes to the codes, such as new nn.Linear(4, 4)',
      (value) => value instanceof nn.Module,
    )(),
  ),
  /** If true, the linear map has a bias. Default false, with `embedDim` true. */
  bias: optional(flag()),
  /** If true, gradients reach the latents by the rotation trick (arXiv 2410.06424). Default true, with `embedDim` false. */
  rotationTrick: optional(flag()),
  /** Weight of the commitment term within the loss. Default 0.25. */
  inputToQuantizeCommitLossWeight: number(0.25),
  /** Weight of the loss. Default 1. */
  commitmentWeight: number(1),
  /** Another name of `inputToQuantizeCommitLossWeight`, which it replaces. */
  beta: optional(number()),
  /** If true, the weight is that of the codebook term instead. Default false, with `embedDim` true. */
  legacy: optional(flag()),
  ...remapSchema,
};

export type SimVQConfig = Given<typeof schema>;

/**
 * Nearest-code quantizer whose codes are C = W·F, where the random F stays frozen and W is trained: every latent moves
 * all codes, so none is left behind.
 *
 * @example
 * ```ts
 * const quantizer = new SimVQ({ dim: 256, codebookSize: 1024 });
 * const { quantized, indices } = quantizer.forward(torch.randn([2, 256, 16, 16])); // [2, 256, 16, 16], [2, 16, 16]
 * ```
 */
export class SimVQ extends LookupQuantizer<Settings<typeof schema> & QuantizerConfig> {
  /** Schema of the accepted configuration. */
  static readonly schema: typeof schema = schema;
  /** The frozen codes [K, frozenCodebookDim], if they are given by `codebookSize`. */
  declare readonly frozenCodebook: Tensor | null;
  /** The trained map, if codes are given by `codebookSize`. */
  declare readonly codeTransform: nn.Module | null;
  /** The frozen codes, if they are given by `nEmbed`. */
  declare readonly embedding: nn.Embedding | null;
  /** The trained map, if codes are given by `nEmbed`. */
  declare readonly embeddingProj: nn.Module | null;
  readonly #original: boolean;

  constructor(config: SimVQConfig) {
    const settings = readConfig(schema, config, 'SimVQ');
    const { original, width: embedDim, size: nEmbed } = sizesOf(settings);
    super({ ...settings, nEmbed, embedDim });
    this.#original = original;
    const width = settings.frozenCodebookDim ?? embedDim;
    const frozen = torch.randn([nEmbed, width]).mul(width ** -0.5);
    const bias = settings.bias ?? original;
    const map = settings.codebookTransform ?? new nn.Linear(width, embedDim, { bias });
    if (original) {
      this.embedding = new nn.Embedding(nEmbed, width);
      torch.noGrad(() => this.embedding!.weight.copy_(frozen));
      this.embedding.requiresGrad_(false);
      this.embeddingProj = map;
    } else {
      this.registerBuffer('frozenCodebook', frozen);
      this.codeTransform = map;
    }
  }

  /** The trained map from the frozen codes to the codes. */
  get transform(): nn.Module {
    return (this.embeddingProj ?? this.codeTransform)!;
  }

  /** The codes after the map: [K, D]. */
  override get codebook(): Tensor {
    return this.transform.forward(this.embedding?.weight ?? this.frozenCodebook!) as Tensor;
  }

  /** Returns the parameters of the map, because the frozen codes are not trained. */
  override trained(): nn.Parameter[] {
    return this.transform.parameters();
  }

  /** Quantizes z [B, D, h, w]; indices are [B, h, w]. */
  override forward(z: Tensor): Quantized {
    const { points, chosen, codes } = this.nearest(z); // [B, h, w, D], [B, h, w, D], [N]
    const { commitmentWeight, inputToQuantizeCommitLossWeight, rotationTrick, ...given } = this.config;
    const beta = given.beta ?? inputToQuantizeCommitLossWeight;
    const codebook = points.detach().sub(chosen).square().mean();
    const commitment = points.sub(chosen.detach()).square().mean();
    const [weighted, other] =
      (given.legacy ?? this.#original) ? [codebook, commitment] : [commitment, codebook];
    return {
      quantized:
        (rotationTrick ?? !this.#original)
          ? channelsToFront(rotatedTo(points, chosen)).to(z.dtype)
          : straightThrough(points, chosen, z.dtype), // [B, D, h, w]
      loss: other.add(weighted.mul(beta)).mul(commitmentWeight),
      indices: this.remapToUsed(codes).reshape(points.shape.slice(0, 3)),
      losses: this.#original ? { codebook, commitment, distance: commitment } : { codebook, commitment },
    };
  }
}

/** Returns the sizes, which have two names each, and whether they are those of the original. */
function sizesOf(settings: Settings<typeof schema>): { original: boolean; width: number; size: number } {
  const { dim, codebookSize, embedDim, nEmbed } = settings;
  const mixed = (dim ?? codebookSize) !== undefined && (embedDim ?? nEmbed) !== undefined;
  if (!mixed && dim !== undefined && codebookSize !== undefined)
    return { original: false, width: dim, size: codebookSize };
  if (!mixed && embedDim !== undefined && nEmbed !== undefined)
    return { original: true, width: embedDim, size: nEmbed };
  const given = Object.entries({ dim, codebookSize, embedDim, nEmbed })
    .filter(([, value]) => value !== undefined)
    .map(([name]) => name);
  throw new TypeError(
    `SimVQ: its sizes are either dim and codebookSize (keys of lucidrains' class) or embedDim and nEmbed ` +
      `(keys of the original), got ${given.length > 0 ? given.join(', ') : 'neither'}`,
  );
}
