// Our arm of `npm run bench -- ops`: nanoseconds a call on small tensors, one thread. The first argument names their device,
// by default the CPU; on another one it is the host's time that counts, until the call returns.
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
const device = (process.argv[2] ?? 'cpu') as torch.Device;
const x = torch.ones([4], { device });
const y = torch.ones([4], { device });
const square = torch.eye(4, 4, { device });
const leaf = torch.ones([4], { device, requiresGrad: true });
const block = new Block().to(device);

const cases: Record<string, { call: () => void; calls?: number }> = {
  empty: { call: device === 'cpu' ? () => void torch.empty([4]) : () => void torch.empty([4], { device }) },
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

// A device falls behind a host that only launches: its queue must not fill up.
const together = device === 'cpu' ? Infinity : 400;

// A device's calls take ten times as long, but the engine optimizes what it has seen often: the first measurement, which
// is not counted, is as long as the CPU's.
const warm = new Set<string>();

for await (const name of createInterface({ input: process.stdin })) {
  const { call, calls: full = CALLS } = cases[name]!;
  const calls = device === 'cpu' || (full === CALLS && !warm.has(name)) ? full : full / 10;
  warm.add(name);
  const operators = name.startsWith('block') ? 3 * BLOCK : 1;
  let took = 0n;
  for (let done = 0; done < calls;) {
    const start = process.hrtime.bigint();
    const end = Math.min(calls, done + together / operators);
    while (done < end) {
      const few = Math.min(BLOCK, Math.ceil(end - done));
      torch.scope(() => {
        for (let i = 0; i < few; i++) call();
      });
      done += few;
    }
    took += process.hrtime.bigint() - start;
    if (device !== 'cpu') torch.cuda.synchronize(device);
  }
  console.log(JSON.stringify(Number(took) / calls));
}
