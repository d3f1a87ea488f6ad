/** Draws one token after another, in reading order. */
import type { Prior } from '../../models/priors/prior.js';
import { inEvaluation } from '../../torch/nn/index.js';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import type { Engine } from '../engines/eager.js';
import type { Start } from '../engines/token-memory.js';
import { checkPeaks } from '../logits-error.js';

export interface RasterRequest extends Start {
  /** Called after every step with its number from 0 and the new tokens `[B, 1]`, which are valid during the call. */
  onToken?: ((step: number, tokens: Tensor) => void) | undefined;
}

/**
 * Continues token rows and returns `[B, L + steps]` int64. Runs in evaluation mode without gradients. Synchronizes with a
 * GPU once, at the end.
 * @throws LogitsError naming the caller and the step at which logits were NaN or infinite
 */
export function drawInOrder(
  caller: string,
  prior: Prior,
  engine: Engine,
  { onToken, ...sequence }: RasterRequest,
): Tensor {
  const { prefix, steps } = sequence;
  const start = prefix.shape[1]!;
  const { tokens, peaks } = engine;
  const onCpu = tokens.device === 'cpu';
  return inEvaluation(prior, () =>
    torch.noGrad(() =>
      torch.scope(() => {
        engine.begin(sequence);
        for (let step = 0; step < steps; step++) {
          torch.scope(() => {
            const at = start + step;
            engine.draw(at);
            // Reading a value is free on devices that do not need a synchronization.
            if (onCpu) checkPeaks(peaks.narrow(1, at, 1), caller, step);
            onToken?.(step, tokens.narrow(1, at, 1));
          });
        }
        if (!onCpu) checkPeaks(peaks.narrow(1, start, steps), caller);
        return tokens.narrow(1, 0, start + steps).clone();
      }),
    ),
  );
}
