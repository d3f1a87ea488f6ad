import test from 'ava';
import * as torch from '../../src/torch/index.js';
import type { Tensor } from '../../src/torch/index.js';

const without = torch.cuda.isAvailable() ? test.skip : test;

without('where there are no graphs every run calls the function, and the reason can be read', (t) => {
  const weight = torch.tensor([1, 2], { requiresGrad: true });
  const graph = torch.cuda.graph((x: Tensor) => {
    weight.grad = null;
    const loss = x.mul(weight).sum();
    loss.backward();
    return loss.detach();
  });
  t.regex(graph.eagerReason!, /CUDA is not available/);
  for (let step = 0; step < 6; step++) {
    t.is(graph.run(torch.tensor([step, 1])).item(), step + 2);
    t.deepEqual(weight.grad!.tolist(), [step, 1]);
  }
  t.false(graph.captured);
  graph.dispose();
});
