/** Quantization in turns, each of what the turn before has left over (arXiv 2107.03312, algorithm 1). */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as nn from '../../torch/nn/index.js';
import { count, flag, natural, optional, share } from '../../config/schema.js';
import type { Quantized } from '../encoded.js';
import { drawsOf, drawsSetting, type Draws } from './draws.js';
import { atLeastFloat32, channelsToEnd, channelsToFront } from './latents.js';
import { projectedIn, projectedOut, projections } from './projection.js';
import { Quantizer, type QuantizerConfig } from './quantizer.js';

/** Draws of a residual quantizer, besides those of its layers. */
export interface LastActive {
  /** Returns the number of the last quantizer that takes part in a training step, from 0. */
  lastActiveQuantizer?: () => number;
}

/** Settings of all residual quantizers. */
export const residualSchema = {
  /** If true, a random number of the last quantizers is left out of each training step. Default false. */
  quantizeDropout: flag(false),
  /** The first quantizer after which others may be left out, from 0. Default 0. */
  quantizeDropoutCutoffIndex: natural(0),
  /** The number of quantizers that take part is rounded up to a multiple of this. Default 1. */
  quantizeDropoutMultipleOf: count(1),
  /** Share of the gradient that reaches earlier quantizers through what they left over. Default 0. */
  quantGradFrac: share(0),
  /** Width of the latents, D. Default: that of the quantizers. */
  dim: optional(count()),
  /** Random draws to use instead of own ones. */
  draws: drawsSetting<LastActive>(),
};

/** Settings that the base class reads. */
export interface ResidualConfig extends QuantizerConfig {
  quantizeDropout: boolean;
  quantizeDropoutCutoffIndex: number;
  quantizeDropoutMultipleOf: number;
  quantGradFrac: number;
  draws?: Partial<Draws> & LastActive;
}

/** What the turns gave: codes [B, d, h, w], indices [B, h, w] and losses, and what each was given. */
interface Turns {
  total: Tensor;
  indices: Tensor[];
  losses: Tensor[];
  given: Tensor[];
}

/**
 * Base class of residual quantizers: the code of a position is the sum of the codes of all layers, of which each quantizes
 * what the layers before left over. Indices are [B, h, w, Q], −1 for layers that were left out.
 *
 * The gradient to the latents is Q times the straight-through one, as in the published implementation, because each layer
 * passes its own.
 */
export abstract class ResidualQuantizer<
  L extends Quantizer = Quantizer,
  C extends ResidualConfig = ResidualConfig,
> extends Quantizer<C> {
  protected static override readonly scoped: readonly string[] = ['codes'];
  readonly projectIn: nn.Linear | nn.Identity;
  readonly projectOut: nn.Linear | nn.Identity;
  /** The quantizers in turn. */
  readonly layers: nn.ModuleList<L>;
  protected readonly draws: Draws & LastActive;
  #synced = false;

  /** @param layers quantizers of the same width, at least one */
  constructor(config: C, layers: readonly L[]) {
    super(config);
    this.draws = drawsOf<LastActive>(config.draws);
    const { projectIn, projectOut } = projections({ dim: config.embedDim, inner: layers[0]!.embedDim });
    this.projectIn = projectIn;
    this.projectOut = projectOut;
    this.layers = new nn.ModuleList([...layers]);
  }

  /**
   * Quantizes z [B, D, h, w]; `losses` are those of the layers [Q].
   *
   * @param last number of the last layer that takes part. Default: drawn if there is dropout, else all.
   */
  override forward(z: Tensor, { last = this.lastActive() }: { last?: number } = {}): Quantized {
    this.checkLatent(z);
    const x = channelsToFront(projectedIn(z, this.projectIn)); // [B, d, h, w]
    const turns = this.#turns(this.bounded(x), last);
    this.turned(turns.given);
    const losses = this.joined(turns.losses);
    return {
      quantized: projectedOut(channelsToEnd(this.summed(x, turns.total)), this.projectOut, z.dtype),
      loss: losses.sum(),
      indices: torch.stack(turns.indices, -1),
      losses,
    };
  }

  override get indexDims(): number {
    return 4;
  }

  override indices(z: Tensor): Tensor {
    this.checkLatent(z);
    let rest = this.bounded(channelsToFront(projectedIn(z, this.projectIn)));
    const all = [...this.layers].map((layer, i) => {
      const scale = this.scale(i);
      const own = layer.indices(scale ? rest.div(scale) : rest);
      const codes = layer.codes(own);
      rest = rest.sub(scale ? codes.mul(scale) : codes);
      return own;
    });
    return torch.stack(all, -1);
  }

  /** The codes of the first layer before the linear map: [K, d]. */
  override get codebook(): Tensor {
    return this.layers.get(0).codebook;
  }

  /**
   * Returns the codes of each layer for `indices`, int64 [B, h, w, q] of the first q layers, as [q, B, d, h, w] in at least
   * float32; those of −1 are 0.
   */
  codesByQuantizer(indices: Tensor): Tensor {
    return torch.stack(this.#codesOf(indices).map(atLeastFloat32));
  }

  /** Returns the codes of `indices`, int64 [B, h, w, q] of the first q layers, as [B, D, h, w]. */
  override codes(indices: Tensor): Tensor {
    const total = this.codesByQuantizer(indices).sum([0]);
    const { dtype } = this.layers.get(0).codes(indices.select(3, 0).clampMin(0));
    return projectedOut(channelsToEnd(total), this.projectOut, dtype);
  }

  #codesOf(indices: Tensor): Tensor[] {
    this.checkIndices(indices);
    const number = this.layers.length;
    if (indices.ndim !== 4 || indices.shape[3]! > number || indices.shape[3] === 0) {
      throw new torch.ShapeError(
        `the codes of indices [B, h, w, q] of 1 to ${number} quantizers can be had, not of [${indices.shape.join(', ')}]`,
      );
    }
    return indices.unbind(-1).map((own, i) => {
      const scale = this.scale(i);
      const codes = this.layers.get(i).codes(own.clampMin(0)); // [B, d, h, w]
      const known = own.ge(0).unsqueeze(1).to(codes.dtype);
      return (scale ? codes.mul(scale) : codes).mul(known);
    });
  }

  override trained(): nn.Parameter[] {
    const maps = [...this.projectIn.parameters(), ...this.projectOut.parameters()];
    return [...new Set([...maps, ...[...this.layers].flatMap((layer) => layer.trained())])];
  }

  override still(fn: () => void, gather = true): () => void {
    const moves: (() => void)[] = [];
    const nested = this.movers().reduce(
      (inner, mover) => () => void moves.push(mover.still(inner, gather)),
      fn,
    );
    nested();
    return () => moves.forEach((move) => move());
  }

  /** Lets all processes leave out the same layers. */
  synchronize(): void {
    this.#synced = true;
  }

  /** Returns the number of the last layer that takes part in this forward. */
  lastActive(): number {
    const { quantizeDropout, quantizeDropoutCutoffIndex: first, quantizeDropoutMultipleOf: of } = this.config;
    const number = this.layers.length;
    if (!this.training || !quantizeDropout || number === 1) return number - 1;
    const drawn = this.draws.lastActiveQuantizer?.() ?? this.#drawn(first, number);
    return Math.ceil((drawn + 1) / of) * of - 1;
  }

  #drawn(low: number, high: number): number {
    return torch.scope(() => {
      const drawn = this.draws.randint(low, high, [1]);
      if (this.#synced && torch.distributed.worldSize() > 1) torch.distributed.broadcastCoalesced([drawn], 0);
      return Number(drawn.item());
    });
  }

  /** Modules that move codes in their forward. */
  protected movers(): { still(fn: () => void, gather: boolean): () => void }[] {
    return [...this.layers];
  }

  /** Returns latents [B, d, h, w] within the bounds of the first layer. */
  protected bounded(x: Tensor): Tensor {
    return x;
  }

  /** Returns what the codes of layer i are multiplied by, broadcast over [B, d, h, w], or null. */
  protected scale(_i: number): Tensor | null {
    return null;
  }

  /** Quantizes what is left over for a layer. */
  protected quantizedBy(layer: L, rest: Tensor): Quantized {
    return layer.forward(rest);
  }

  /** Called with what each layer was given, after a forward. */
  protected turned(_given: readonly Tensor[]): void {}

  /** Returns the sum of the codes with its gradients to the latents, both [B, d, h, w]. */
  protected summed(_x: Tensor, total: Tensor): Tensor {
    return total;
  }

  /** Returns the losses of the layers as one tensor, [Q]. */
  protected joined(losses: readonly Tensor[]): Tensor {
    return torch.stack([...losses]);
  }

  #turns(x: Tensor, last: number): Turns {
    const turns: Turns = { total: torch.zerosLike(x), indices: [], losses: [], given: [] };
    const { quantGradFrac } = this.config;
    let rest = x;
    for (const [i, layer] of [...this.layers].entries()) {
      if (i > last) {
        const shape = [x.shape[0]!, ...x.shape.slice(2)];
        turns.indices.push(torch.full(shape, -1, { dtype: 'int64', device: x.device }));
        turns.losses.push(torch.zeros([], { dtype: x.dtype, device: x.device }));
        continue;
      }
      turns.given.push(rest);
      const scale = this.scale(i);
      const { quantized, indices, loss } = this.quantizedBy(layer, scale ? rest.div(scale) : rest);
      const codes = scale ? quantized.mul(scale) : quantized;
      const constant = codes.detach();
      rest = rest.sub(quantGradFrac > 0 ? constant.add(codes.sub(constant).mul(quantGradFrac)) : constant);
      turns.total = turns.total.add(codes);
      turns.indices.push(indices);
      turns.losses.push(loss);
    }
    return turns;
  }
}
