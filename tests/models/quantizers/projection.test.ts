/** The dtypes of the maps around a quantizer, which need not be those of its latents. */
import test from 'ava';
import { FSQ } from '../../../src/models/quantizers/fsq.js';
import { LFQ } from '../../../src/models/quantizers/lfq.js';
import type { Quantizer } from '../../../src/models/quantizers/quantizer.js';
import { ResidualVQ } from '../../../src/models/quantizers/residual-vq.js';
import { VectorQuantize } from '../../../src/models/quantizers/vector-quantize.js';
import * as torch from '../../../src/torch/index.js';

const z = torch.keep(torch.randn([2, 6, 3, 3]));

/** Quantizers of latents of width 6, with maps to another width. */
const quantizers: Record<string, () => Quantizer> = {
  FSQ: () => new FSQ({ levels: [5, 3], dim: 6 }),
  LFQ: () => new LFQ({ codebookSize: 16, dim: 6 }),
  'LFQ with cosines': () => new LFQ({ codebookSize: 16, dim: 6, cosineSimProjectIn: true }),
  ResidualVQ: () => new ResidualVQ({ dim: 6, codebookDim: 4, codebookSize: 8, numQuantizers: 2 }),
  VectorQuantize: () => new VectorQuantize({ nEmbed: 8, embedDim: 6, codebookDim: 4 }),
};

for (const [name, make] of Object.entries(quantizers))
  for (const [of, given] of [
    ['float32', 'bfloat16'],
    ['bfloat16', 'float32'],
  ] as const)
    test(`${name} in ${of} quantizes latents in ${given}, and returns codes in their dtype`, (t) => {
      const quantizer = make().to(of).eval();
      const latents = z.to(given);
      const { quantized, indices } = quantizer.forward(latents);
      t.deepEqual([quantized.dtype, quantized.shape], [given, [2, 6, 3, 3]]);
      t.deepEqual(quantizer.indices(latents).tolist(), indices.tolist());
    });

test('latents in another dtype are measured in that of the map', (t) => {
  const quantizer = new VectorQuantize({ nEmbed: 8, embedDim: 6, codebookDim: 4 }).to('bfloat16');
  t.deepEqual(quantizer.choose(torch.randn([5, 6])).shape, [5]);
});
