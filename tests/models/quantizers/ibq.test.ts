/** Index backpropagation quantization, against recorded values and by its own laws. */
import test from 'ava';
import { IBQ, type IBQConfig } from '../../../src/models/quantizers/ibq.js';
import * as torch from '../../../src/torch/index.js';
import { checkZooCase, zooCases } from '../../golden/zoo.js';

for (const each of await zooCases('ibq'))
  test(`as recorded from the published implementation: ${each.name}`, (t) => {
    checkZooCase(t, each, (options) => new IBQ(options as IBQConfig));
  });

test('codes that no latent chose get gradients, too', (t) => {
  const quantizer = new IBQ({ nEmbed: 8, embedDim: 4 });
  quantizer
    .forward(torch.randn([1, 4, 1, 1]))
    .quantized.square()
    .sum()
    .backward();
  t.true(Number(quantizer.codebook.grad!.abs().sum([1]).min().item()) > 0);
});

test('the code has the largest dot product, not the smallest distance', (t) => {
  const quantizer = new IBQ({ nEmbed: 2, embedDim: 2 });
  torch.noGrad(() => quantizer.codebook.copy_(torch.tensor([0.4, 1, 5, 3]).view([2, 2])));
  const z = torch.tensor([0.4, 1]).view([1, 2, 1, 1]);
  t.deepEqual(quantizer.forward(z).indices.tolist(), [[[1]]]);
  t.deepEqual(quantizer.indices(z).tolist(), [[[1]]]);
});

test('a temperature of 0 is refused', (t) => {
  t.throws(() => new IBQ({ nEmbed: 2, embedDim: 2, entropyTemperature: 0 }), {
    message: /entropyTemperature must be a number above 0, got 0/,
  });
});
