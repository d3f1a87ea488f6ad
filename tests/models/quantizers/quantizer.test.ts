/** What holds for the methods of all quantizers. */
import test from 'ava';
import { FSQ } from '../../../src/models/quantizers/fsq.js';
import { GroupedResidualFSQ } from '../../../src/models/quantizers/grouped-residual.js';
import { LFQ } from '../../../src/models/quantizers/lfq.js';
import type { Quantizer } from '../../../src/models/quantizers/quantizer.js';
import { ResidualVQ } from '../../../src/models/quantizers/residual-vq.js';
import { VectorQuantize } from '../../../src/models/quantizers/vector-quantize.js';
import { VectorQuantizer } from '../../../src/models/quantizers/vector.js';
import * as torch from '../../../src/torch/index.js';

const quantizers: Record<string, () => Quantizer> = {
  'VectorQuantizer with cosines': () =>
    new VectorQuantizer({ nEmbed: 8, embedDim: 4, legacy: true, lookup: 'cosine' }),
  FSQ: () => new FSQ({ levels: [5, 3], dim: 4 }),
  LFQ: () => new LFQ({ codebookSize: 16, dim: 4 }),
  VectorQuantize: () => new VectorQuantize({ nEmbed: 8, embedDim: 4 }),
  ResidualVQ: () => new ResidualVQ({ dim: 4, codebookSize: 8, numQuantizers: 2 }),
  GroupedResidualFSQ: () => new GroupedResidualFSQ({ dim: 4, groups: 2, levels: [5, 3], numQuantizers: 2 }),
};

for (const [name, make] of Object.entries(quantizers))
  test.serial(`${name}: codes leave no tensors behind but themselves`, (t) => {
    const quantizer = make().eval();
    torch.noGrad(() =>
      torch.scope(() => {
        const indices = quantizer.indices(torch.randn([2, 4, 3, 3]));
        const { tensors } = torch.memory();
        const codes = quantizer.codes(indices);
        t.is(torch.memory().tensors - tensors, 1);
        t.deepEqual(codes.shape, [2, 4, 3, 3]);
      }),
    );
  });
