/**
 * Scaled losses in training steps. Gradients that pass through float16 would underflow, so losses are multiplied by the
 * scale of a `GradScaler` before they are backpropagated. Gradients from which a step computes values are unscaled first.
 */
import { atLeastFloat32 } from '../../models/quantizers/latents.js';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import type { StepOptimizer } from './step-optimizer.js';

/** An optimizer, of which only the scaler matters. */
export type Scaling = Pick<StepOptimizer, 'scaler'>;

/** Scale below which gradients that overflow are an alarm, as in fairseq: lowering it further will not help. */
export const leastScale = 1e-4;

/** Names of logged values that are computed from gradients, which are not finite at a step that overflows. */
export const figuresOfGradients: readonly string[] = ['weight', 'norm', 'discNorm'];

/** Returns a loss, or a gradient to send backward, times the scale. */
export function scaledFor({ scaler }: Scaling, loss: Tensor): Tensor {
  return scaler ? scaler.scale(loss) : loss;
}

/** Returns a gradient of a scaled loss without the scale, in at least float32: NaN where it has overflowed. */
export function unscaledFor({ scaler }: Scaling, gradient: Tensor): Tensor {
  if (!scaler) return gradient;
  return torch.noGrad(() => {
    const full = atLeastFloat32(gradient).div(scaler.scaleOn(gradient.device));
    // A norm of infinity could make a weight that is finite, and the step would not be left out.
    return full.add(full.sub(full));
  });
}
