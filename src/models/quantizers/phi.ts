/** The convolutions that a multi-scale quantizer applies to each scale's codes at full size, shared or not, under VAR's keys. */
import type { Tensor } from '../../torch/index.js';
import * as nn from '../../torch/nn/index.js';

/** Below this ratio there is no convolution. */
const NONE = 1e-6;

/** Mixes codes [B, C, H, W] with their 3 × 3 convolution: (1 − ratio)·h + ratio·conv(h). */
export class Phi extends nn.Conv2d {
  readonly #ratio: number;

  constructor(channels: number, ratio: number) {
    super(channels, channels, 3, { padding: 1 });
    this.#ratio = ratio;
  }

  override forward(h: Tensor): Tensor {
    return h.mul(1 - this.#ratio).add(super.forward(h).mul(this.#ratio));
  }
}

export type Mix = Phi | nn.Identity;

/** One convolution for all scales. */
export class SharedPhi extends nn.Module {
  readonly qresi: Mix;

  constructor(make: () => Mix) {
    super();
    this.qresi = make();
  }
}

/** A few convolutions, each for neighbouring scales. */
export class PartlySharedPhi extends nn.Module {
  static readonly keys = { qresiLs: 'qresi_ls' };
  readonly qresiLs: nn.ModuleList<Mix>;

  constructor(make: () => Mix, count: number) {
    super();
    this.qresiLs = new nn.ModuleList(Array.from({ length: count }, make));
  }
}

export interface PhiOptions {
  /** Width of a code. */
  channels: number;
  /** Its absolute value is the share of the convolution. */
  ratio: number;
  /** Number of convolutions; 0: one for each scale. */
  shared: number;
  /** Number of scales. */
  scales: number;
}

export type Phis = SharedPhi | PartlySharedPhi | nn.ModuleList<Mix>;

/** Creates the convolutions. */
export function phis({ channels, ratio, shared, scales }: PhiOptions): Phis {
  const share = Math.abs(ratio);
  const make = (): Mix => (share > NONE ? new Phi(channels, share) : new nn.Identity());
  if (shared === 0) return new nn.ModuleList(Array.from({ length: scales }, make));
  return shared === 1 ? new SharedPhi(make) : new PartlySharedPhi(make, shared);
}

/** Applies the convolution of a scale, of `scales`, to codes at full size [B, C, H, W]. */
export function applyPhi(phi: Phis, h: Tensor, scale: number, scales: number): Tensor {
  if (phi instanceof SharedPhi) return phi.qresi.forward(h);
  const list = phi instanceof PartlySharedPhi ? phi.qresiLs : phi;
  const at = phi === list ? scale : phiOfScale(list.length, scale, scales);
  return list.get(at).forward(h);
}

/**
 * Returns which of `count` convolutions a scale has: the one whose tick is nearest, the first on ties. Ticks are spread
 * evenly, for 4 convolutions a little wider, with the roundings of NumPy's `linspace`, which decide on ties.
 */
export function phiOfScale(count: number, scale: number, scales: number): number {
  const edge = count === 4 ? 1 / 3 / count : 1 / 2 / count;
  const step = (1 - edge - edge) / (count - 1);
  const ticks = Array.from({ length: count }, (_, i) => (i === count - 1 ? 1 - edge : i * step + edge));
  const at = scales > 1 ? scale / (scales - 1) : 0;
  const distances = ticks.map((tick) => Math.abs(tick - at));
  return distances.indexOf(Math.min(...distances));
}
