/** Codebooks that follow moving averages and replace codes that die; a quantizer has one, or one for each head. */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as F from '../../torch/nn/functional.js';
import * as nn from '../../torch/nn/index.js';
import { drawRows, type Draws } from './draws.js';
import { assignedTo, kMeans } from './k-means.js';
import { atLeastFloat32, chosenCodes } from './latents.js';

/** Shortest length by which vectors are divided. */
export const SHORTEST = 1e-6;

/** Settings of the codebooks of a quantizer. */
export interface CodebookConfig {
  /** Number of codebooks, C. */
  codebooks: number;
  nEmbed: number;
  width: number;
  /** If true, codes have length 1 and are chosen by the largest dot product. */
  cosine: boolean;
  /** If true, gradients reach the codes. */
  trained: boolean;
  /** If true, the codes follow the averages. */
  ema: boolean;
  decay: number;
  eps: number;
  /** Codes with a smaller average count are replaced; 0: none. */
  threshold: number;
  /** Steps of the clustering that gives the first codes; 0: they are random. */
  kmeansIters: number;
  draws: Draws;
}

/** Latents [C, N, d] and their codes [C, N] of a call; `turn` tells the calls of one forward apart. */
interface Call {
  turn: number;
  points: Tensor;
  codes: Tensor;
}

/** Codebooks [C, K, d], and the averages they follow. */
export class EMACodebook extends nn.Module {
  static readonly keys = { weight: 'embed' };
  /** The codes [C, K, d]. */
  readonly weight: nn.Parameter;
  /** True once the codes were made from latents, or if they need not be. */
  declare readonly initted: Tensor;
  /** Average number of latents of each code [C, K]. */
  declare readonly clusterSize: Tensor;
  /** Average sum of the latents of each code [C, K, d]. */
  declare readonly embedAvg: Tensor;
  readonly #config: CodebookConfig;
  /** If true, an outer module calls `settle` once for several updates. */
  shared = false;
  /** Takes what would move the codes now; null if they move. */
  #gather: ((call: Call) => void) | null = null;
  #synced = false;
  #ready = false;
  /** What gathered in the step that made the first codes. */
  #madeIn: ((call: Call) => void) | null = null;
  /** True while a step passes over its batch again. */
  #repeats = false;

  constructor(config: CodebookConfig) {
    super();
    this.#config = config;
    const { codebooks, nEmbed, width, trained, kmeansIters } = config;
    const weight = nn.init.kaimingUniform_(torch.empty([codebooks, nEmbed, width]));
    this.weight = new nn.Parameter(this.#unit(weight), trained);
    this.registerBuffer('initted', torch.tensor(kmeansIters === 0, { dtype: 'bool' }));
    this.registerBuffer('clusterSize', torch.ones([codebooks, nEmbed]));
    this.registerBuffer('embedAvg', this.weight.detach().clone());
  }

  /** Returns the codes of latents [C, …, d]: int64 [C, …]. */
  choose(points: Tensor, weight: Tensor = this.weight): Tensor {
    const flat = points.reshape([points.shape[0]!, -1, points.shape.at(-1)!]);
    const rule = this.#config.cosine ? 'dot' : 'nearest';
    const codes = flat.unbind(0).map((one, i) => chosenCodes(one, weight.select(0, i), rule));
    return torch.stack(codes).reshape(points.shape.slice(0, -1));
  }

  /** Returns the codes of indices [C, …] as vectors [C, …, d], in at least float32. */
  at(indices: Tensor): Tensor {
    const { nEmbed, codebooks } = this.#config;
    const start = torch
      .arange(codebooks, { dtype: 'int64', device: indices.device })
      .mul(nEmbed)
      .view([codebooks, ...indices.shape.slice(1).map(() => 1)]);
    return atLeastFloat32(F.embedding(indices.add(start), this.weight.reshape([codebooks * nEmbed, -1])));
  }

  /** Makes the first codes from latents [C, …, d], if that was asked for and has not been done. */
  initialise(points: Tensor): void {
    if (this.#ready) return;
    if (this.initted.item()) {
      // A step that is skipped puts `initted` back when it ends, so that only a later step can rely on it.
      const later = this.#gather === null || this.#gather !== this.#madeIn;
      this.#ready = later && !this.#repeats;
      return;
    }
    const { nEmbed, kmeansIters: iterations, cosine } = this.#config;
    torch.noGrad(() =>
      torch.scope(() => {
        for (const [i, one] of this.#flat(points).unbind(0).entries()) {
          const start = one.indexSelect(0, drawRows(this.#config.draws, one.shape[0]!, nEmbed, one.device));
          this.#fromFirst([start]);
          const { means, counts } = kMeans(one, start, {
            iterations,
            cosine,
            joined: (tensors) => this.#join(tensors),
          });
          this.weight.select(0, i).copy_(means);
          this.clusterSize.select(0, i).copy_(counts);
          this.embedAvg.select(0, i).copy_(means.mul(counts.unsqueeze(1)));
        }
        this.initted.fill_(true);
      }),
    );
    this.#madeIn = this.#gather;
  }

  protected override stateLoaded(): void {
    this.#ready = false;
  }

  /** Moves the codes by latents [C, …, d] and their indices [C, …], or gathers these for later. */
  update(points: Tensor, indices: Tensor, turn = 0): void {
    const { ema, threshold } = this.#config;
    if (!ema && threshold === 0) return;
    torch.noGrad(() =>
      torch.scope(() => {
        const call = { turn, points: this.#flat(points), codes: indices.reshape([indices.shape[0]!, -1]) };
        if (this.#gather) this.#gather(call);
        else this.#learn(call);
      }),
    );
  }

  /** Computes shared codes from the averages, once after several updates with latents [C, …, d] in all. */
  settle(points: readonly Tensor[]): void {
    if (this.#gather) return;
    torch.noGrad(() =>
      torch.scope(() => {
        if (this.#config.ema) this.#follow();
        this.#replaceDead(
          torch.cat(
            points.map((one) => this.#flat(one)),
            1,
          ),
        );
      }),
    );
  }

  /** As `Quantizer.still`. */
  still(fn: () => void, gather = true): () => void {
    const gathered: Call[] = [];
    this.#gather = (call) => {
      if (gather) gathered.push(torch.keep({ ...call, points: call.points.clone() }));
    };
    this.#repeats = !gather;
    try {
      fn();
    } finally {
      this.#gather = null;
      this.#repeats = false;
    }
    return () => {
      if (this.training && gathered.length > 0) this.#learnAll(gathered);
      torch.dispose(gathered);
    };
  }

  /** Moves the codes by the latents of all processes, which then keep the same codes. */
  synchronize(): void {
    this.#synced = true;
  }

  /** Moves the codes `at` [M] of a codebook to `points` [M, d], and their averages. */
  move(codebook: number, at: Tensor, points: Tensor): void {
    const { threshold } = this.#config;
    const size = threshold || 1;
    const { dtype } = this.weight;
    const moved = this.#unit(points).to(dtype);
    this.weight.detach().select(0, codebook).indexCopy_(0, at, moved);
    this.embedAvg.select(0, codebook).indexCopy_(0, at, moved.mul(size));
    this.clusterSize.select(0, codebook).indexFill_(0, at, size);
  }

  /** Latents as they are compared: of length 1 if codes have that. */
  #unit(points: Tensor): Tensor {
    return this.#config.cosine ? F.normalize(points, { dim: -1, eps: SHORTEST }) : points;
  }

  #flat(points: Tensor): Tensor {
    return points
      .detach()
      .reshape([points.shape[0]!, -1, points.shape.at(-1)!])
      .to(this.embedAvg.dtype);
  }

  #learnAll(gathered: readonly Call[]): void {
    torch.noGrad(() =>
      torch.scope(() => {
        const turns = [...new Set(gathered.map(({ turn }) => turn))];
        const joint = turns.map((turn) => {
          const calls = gathered.filter((call) => call.turn === turn);
          const of = (key: 'points' | 'codes') =>
            torch.cat(
              calls.map((call) => call[key]),
              1,
            );
          return { turn, points: of('points'), codes: of('codes') };
        });
        for (const call of joint) this.#learn(call);
        if (this.shared) this.settle(joint.map(({ points }) => points));
      }),
    );
  }

  #learn({ points, codes }: Call): void {
    const { decay, ema } = this.#config;
    const each = points
      .unbind(0)
      .map((one, i) => assignedTo(one, codes.select(0, i), this.embedAvg.select(0, i)));
    const counts = torch.stack(each.map((one) => one.counts)); // [C, K]
    const sums = torch.stack(each.map((one) => one.sums)); // [C, K, d]
    this.#join([counts, sums]);
    this.clusterSize.mul_(decay).add_(counts, { alpha: 1 - decay });
    this.embedAvg.mul_(decay).add_(sums, { alpha: 1 - decay });
    if (ema && !this.shared) this.#follow();
    this.#replaceDead(points);
  }

  /** Computes the codes from the averages, the counts smoothed. */
  #follow(): void {
    const { eps, nEmbed } = this.#config;
    const total = this.clusterSize.sum([-1], true);
    const smoothed = this.clusterSize
      .add(eps)
      .div(total.add(nEmbed * eps))
      .mul(total);
    this.weight.copy_(this.#unit(this.embedAvg.div(smoothed.unsqueeze(-1))));
  }

  /** Moves codes whose average count is below the threshold to latents [C, N, d]. */
  #replaceDead(points: Tensor): void {
    const { threshold, draws } = this.#config;
    if (threshold === 0) return;
    const dead = this.clusterSize.lt(threshold).unbind(0);
    let moved = 0;
    for (const [i, one] of points.unbind(0).entries()) {
      const at = dead[i]!.nonzero().flatten(); // [M]
      if (at.numel() === 0) continue;
      moved += at.numel();
      this.move(i, at, one.indexSelect(0, drawRows(draws, one.shape[0]!, at.numel(), one.device)));
    }
    if (moved > 0) this.#fromFirst([this.weight, this.clusterSize, this.embedAvg]);
  }

  get #joint(): boolean {
    return this.#synced && torch.distributed.worldSize() > 1;
  }

  #join(tensors: readonly Tensor[]): void {
    if (this.#joint) torch.distributed.allReduceCoalesced(tensors);
  }

  #fromFirst(tensors: readonly Tensor[]): void {
    if (this.#joint) torch.distributed.broadcastCoalesced(tensors, 0);
  }
}
