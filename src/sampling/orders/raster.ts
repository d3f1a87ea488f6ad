/** Draws one token after another, in reading order. */
import type { Prior } from '../../models/priors/prior.js';
import { inEvaluation, withPackedWeights } from '../../torch/nn/index.js';
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import type { Engine } from '../engines/eager.js';
import type { Start } from '../engines/token-memory.js';
import { checkPeaks } from '../logits-error.js';

/** Number of steps from which packing the weights pays. */
const FEWEST_STEPS = 32;

/** Tokens that are known among those to draw, and are fed as they are. */
export interface KnownTokens {
  /** A token for each step, `[B, steps]` int64. */
  tokens: Tensor;
  /** True where the token is known, `[B, steps]` bool. */
  mask: Tensor;
}

export interface RasterRequest extends Start {
  /** Tokens that are not drawn. Default: none. */
  known?: KnownTokens | null | undefined;
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
  { onToken, known, ...sequence }: RasterRequest,
): Tensor {
  const { prefix, steps } = sequence;
  const start = prefix.shape[1]!;
  const { tokens, peaks } = engine;
  const onCpu = tokens.device === 'cpu';
  return inEvaluation(prior, () =>
    torch.noGrad(() =>
      torch.scope(() => {
        engine.begin(sequence);
        const draw = (step: number) =>
          torch.scope(() => {
            const at = start + step;
            engine.draw(at);
            if (known) engine.fed.narrow(1, at, 1).copy_(keptOr(known, step, engine.fed.narrow(1, at, 1)));
            // Reading a value is free on devices that do not need a synchronization.
            if (onCpu) checkPeaks(peaks.narrow(1, at, 1), caller, step);
            onToken?.(step, tokens.narrow(1, at, 1));
          });
        // Packing takes as long as a few steps.
        const products = steps < FEWEST_STEPS ? [] : engine.products;
        withPackedWeights(products, { rows: engine.fed.shape[0]! }, () => {
          for (let step = 0; step < steps; step++) draw(step);
        });
        if (!onCpu) checkPeaks(peaks.narrow(1, start, steps), caller);
        return tokens.narrow(1, 0, start + steps).clone();
      }),
    ),
  );
}

/** Returns the tokens `[R, 1]` of a step, of which the known ones replace those drawn. */
function keptOr({ tokens, mask }: KnownTokens, step: number, drawn: Tensor): Tensor {
  const rows = (of: Tensor) => of.narrow(1, step, 1).repeat([drawn.shape[0]! / of.shape[0]!, 1]);
  return torch.where(rows(mask), rows(tokens), drawn);
}
