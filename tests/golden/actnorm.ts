/** Checks of the discriminator with ActNorm, whose first batch in training sets its scales and shifts. */
import * as torch from '../../src/torch/index.js';
import { NLayerDiscriminator } from '../../src/models/discriminators/n-layer.js';
import type { Check, Weights } from './data.js';
import { below, bounds, compare, compareExact, deviceOf, need } from './data.js';

/** `weights` are the discriminator's before the first batch; `data` is the golden file `extras`. */
export function checkActnorm(weights: Weights, data: Weights): Check[] {
  const discriminator = new NLayerDiscriminator({ ndf: 8, nLayers: 2, useActnorm: true })
    .double()
    .to(deviceOf(data));
  discriminator.loadStateDict(weights);
  discriminator.train();
  return torch.noGrad(() =>
    torch.scope(() => {
      const x = need(data, 'actnorm.x');
      const first = discriminator.forward(x);
      const second = discriminator.forward(x.mul(0.5).add(0.1));
      const state = discriminator.stateDict();
      const after = [...below(data, 'actnorm.after.')].map(([key, expected]) =>
        expected.dtype === 'uint8'
          ? compareExact(`after ${key}`, need(state, key), expected)
          : compare(`after ${key}`, need(state, key), expected, bounds.float64),
      );
      return [
        compare('actnorm.first', first, need(data, 'actnorm.first'), bounds.float64),
        compare('actnorm.second', second, need(data, 'actnorm.second'), bounds.float64),
        ...after,
      ];
    }),
  );
}
