// Our arm of `npm run bench:ops`: nanoseconds for one operator on four-element tensors, one thread.
import { createInterface } from 'node:readline';
import { torch } from 'tessera-torch';

const CALLS = 200_000;
// About as many operators as a layer of a model runs: every module's forward is a scope.
const BLOCK = 20;

torch.setNumThreads(1);
const x = torch.ones([4]);
const y = torch.ones([4]);
const leaf = torch.ones([4], { requiresGrad: true });

const cases: Record<string, () => void> = {
  add: () => void x.add(y),
  'add with gradient': () => void leaf.add(y),
};

for await (const name of createInterface({ input: process.stdin })) {
  const call = cases[name]!;
  const start = process.hrtime.bigint();
  for (let block = 0; block < CALLS / BLOCK; block++) {
    torch.scope(() => {
      for (let i = 0; i < BLOCK; i++) call();
    });
  }
  console.log(JSON.stringify(Number(process.hrtime.bigint() - start) / CALLS));
}
