// Our arm of `npm run bench:ops`: nanoseconds a call on small tensors, one thread.
import { createInterface } from 'node:readline';
import { nn, torch, type Tensor } from 'tessera-torch';

const CALLS = 200_000;
// About as many operators as a layer of a model runs: every module's forward is a scope.
const BLOCK = 20;

/** Twenty operators in two modules, as a small residual block has them. */
class Half extends nn.Module {
  readonly weight = new nn.Parameter(torch.eye(4));
  readonly bias = new nn.Parameter(torch.zeros([4]));
  override forward(x: Tensor): Tensor {
    const h = x.matmul(this.weight).add(this.bias).relu().mul(x).sigmoid();
    return h.add(x).tanh().mul(h).sub(x).neg();
  }
}
class Block extends nn.Module {
  readonly first = new Half();
  readonly second = new Half();
  override forward(x: Tensor): Tensor {
    return this.second.forward(this.first.forward(x));
  }
}

torch.setNumThreads(1);
const x = torch.ones([4]);
const y = torch.ones([4]);
const square = torch.eye(4);
const leaf = torch.ones([4], { requiresGrad: true });
const block = new Block();

const cases: Record<string, { call: () => void; calls?: number }> = {
  empty: { call: () => void torch.empty([4]) },
  view: { call: () => void x.view([2, 2]) },
  add: { call: () => void x.add(y) },
  'add with gradient': { call: () => void leaf.add(y) },
  'matmul 4x4': { call: () => void square.matmul(square) },
  'block of 20, both ways': {
    calls: 10_000,
    call: () => {
      block.zeroGrad();
      block.forward(square).sum().backward();
    },
  },
};

for await (const name of createInterface({ input: process.stdin })) {
  const { call, calls = CALLS } = cases[name]!;
  const start = process.hrtime.bigint();
  for (let done = 0; done < calls; done += BLOCK) {
    torch.scope(() => {
      for (let i = 0; i < BLOCK; i++) call();
    });
  }
  console.log(JSON.stringify(Number(process.hrtime.bigint() - start) / calls));
}
