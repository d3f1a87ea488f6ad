/** Validates a second stage's configuration before anything is opened or written. */
import { FirstStage } from '../../../models/autoencoder/vqgan.js';
import { modelFromConfig } from '../../../models/registry/from-config.js';
import type { Net2NetTransformer } from '../../../models/two-stage.js';
import type { RunConfig } from '../../../runs/config.js';
import { RunError } from '../../../runs/error.js';
import * as torch from '../../../torch/index.js';
import { checkFirstStage } from '../first-stage-check.js';
import type { InitialWeights } from '../initial-weights.js';
import { withClasses } from './classes.js';
import { sizes } from './first-stage.js';

type Params = Record<string, unknown>;

/** Validates the model section and the initial weights before anything is written. */
export function checkTransformer(config: RunConfig, initial: InitialWeights | null = null): void {
  // The number of classes is not known before the images are opened.
  const { model } = withClasses(config, 1);
  const net = modelFromConfig<Net2NetTransformer>(model, { init: false });
  const { blockSize, vocabSize } = net.transformer;
  const params = config.model.params as Params;
  const needed = sizes((params['first_stage_config'] as { params: Params }).params, params, config.data.size);
  try {
    if (!net.unconditional && net.condition.field !== 'label') {
      throw new RunError(
        'this trainer feeds no condition, or class labels (taming.modules.util.Labelator); ' +
          'for others write a loop of your own on transformerStep',
      );
    }
    if (net.pkeep < 0) {
      throw new TypeError(
        `model.params.pkeep is the share of tokens that a step keeps, from 0 to 1; got ${net.pkeep}`,
      );
    }
    const first = net.firstStageModel;
    if (first instanceof FirstStage) checkFirstStage(first, config, 'model.params.first_stage_config');
    // As long as the number of classes is unknown, so are the sizes.
    if (initial !== null && model === config.model) initial.fill(net);
    checkOrder(net, needed.block_size);
  } finally {
    torch.dispose([...net.parameters(), ...net.buffers()]);
  }
  for (const [name, value] of [
    ['vocab_size', vocabSize],
    ['block_size', blockSize],
  ] as const) {
    if (value < needed[name]) {
      throw new TypeError(
        `model.params.transformer_config.params.${name} is ${value}; pictures of ${config.data.size} pixels in the codes ` +
          `of this VQGAN need ${needed[name]}. Left out, it is filled in`,
      );
    }
  }
}

/** Throws if the reading order is for a code grid of a different size than that of the images. */
function checkOrder({ permuter }: Net2NetTransformer, codes: number): void {
  try {
    torch.scope(() => void permuter.forward(torch.zeros([1, codes], { dtype: 'int64' })));
  } catch (cause) {
    const side = Math.sqrt(codes);
    throw new TypeError(
      `model.params.permuter_config: ${(cause as Error).message} The pictures have ${side} × ${side} codes: set its H and W to ${side}`,
      { cause },
    );
  }
}
