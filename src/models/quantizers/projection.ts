/** Linear maps around a quantizer whose codes are narrower than its latents. */
import * as torch from '../../torch/index.js';
import type { DType, Tensor } from '../../torch/index.js';
import * as F from '../../torch/nn/functional.js';
import * as nn from '../../torch/nn/index.js';
import { atLeastFloat32, channelsToEnd, channelsToFront } from './latents.js';

/** Widths of latents and of what is quantized of them. */
export interface Widths {
  /** Width of the latents, D. */
  dim: number;
  /** Width that is quantized. */
  inner: number;
  /** If false, the maps have no bias. Default true. */
  bias?: boolean;
}

/** The maps to the width that is quantized and back; `nn.Identity` if that is the width of the latents. */
export function projections({ dim, inner, bias = true }: Widths): {
  projectIn: nn.Linear | nn.Identity;
  projectOut: nn.Linear | nn.Identity;
} {
  if (dim === inner) return { projectIn: new nn.Identity(), projectOut: new nn.Identity() };
  return {
    projectIn: new nn.Linear(dim, inner, { bias }),
    projectOut: new nn.Linear(inner, dim, { bias }),
  };
}

/** Returns latents [B, D, h, w] in the width that is quantized, [B, h, w, inner], in at least float32. */
export function projectedIn(z: Tensor, projectIn: nn.Linear | nn.Identity | CosineSimLinear): Tensor {
  return atLeastFloat32(mapped(channelsToEnd(z), projectIn));
}

/** Returns codes [B, h, w, inner] in the width and dtype of the latents, [B, D, h, w]. */
export function projectedOut(codes: Tensor, projectOut: nn.Linear | nn.Identity, dtype: DType): Tensor {
  return channelsToFront(mapped(codes, projectOut).to(dtype));
}

/** Returns the map of x [..., in], computed in the dtype of its weight, which need not be that of x: [..., out]. */
export function mapped(x: Tensor, map: nn.Linear | nn.Identity | CosineSimLinear): Tensor {
  return map.forward('weight' in map ? x.to(map.weight.dtype) : x);
}

/** Scaled cosines between latents [..., in] and the columns of its weight [in, out], as lucidrains' LFQ has them. */
export class CosineSimLinear extends nn.Module {
  readonly weight: nn.Parameter;
  readonly #scale: number;

  constructor(dim: number, inner: number, { scale = 1 }: { scale?: number } = {}) {
    super();
    this.#scale = scale;
    this.weight = new nn.Parameter(torch.randn([dim, inner]));
  }

  override forward(x: Tensor): Tensor {
    return F.normalize(x, { dim: -1 })
      .matmul(F.normalize(this.weight, { dim: 0 }))
      .mul(this.#scale);
  }
}
