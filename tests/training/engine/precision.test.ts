/** Networks in bfloat16 whose weights are written by others than the optimizer. */
import test from 'ava';
import type { ActNorm, NLayerDiscriminator } from '../../../src/models/discriminators/n-layer.js';
import * as torch from '../../../src/torch/index.js';
import * as nn from '../../../src/torch/nn/index.js';
import * as optim from '../../../src/torch/optim/index.js';
import { resolveConfig } from '../../../src/runs/config.js';
import { MasterWeights } from '../../../src/training/engine/precision.js';
import { buildVqgan } from '../../../src/training/stages/vqgan/build.js';
import { lossOf } from '../../../src/training/stages/vqgan/loss.js';
import { vqganConfig } from '../tiny.js';

function lowered() {
  const network = new nn.Linear(2, 2);
  const masters = new MasterWeights([network]);
  const parameters = network.parameters();
  const optimizer = new optim.SGD(masters.of(parameters), { lr: 1 });
  return { network, masters, stepper: masters.around(parameters, optimizer) };
}

const writes: Record<string, (network: nn.Linear) => void> = {
  'a state dict': (network) =>
    void network.loadStateDict(
      new Map([
        ['weight', torch.full([2, 2], 3)],
        ['bias', torch.full([2], 3)],
      ]),
    ),
  'an operator in place': (network) =>
    torch.noGrad(() => network.parameters().forEach((parameter) => void parameter.fill_(3))),
};

const readers: Record<string, (parts: ReturnType<typeof lowered>) => void> = {
  'are synchronised': ({ masters }) => masters.sync(),
  'are updated': ({ network, stepper }) => {
    stepper.zeroGrad();
    network
      .forward(torch.zeros([1, 2]))
      .sum()
      .mul(0)
      .backward();
    stepper.step();
  },
  'are saved': () => {},
};

for (const [written, write] of Object.entries(writes)) {
  for (const [when, read] of Object.entries(readers)) {
    test(`the masters take what ${written} writes into the network before they ${when}`, (t) => {
      const parts = lowered();
      const { network, masters } = parts;
      write(network);
      read(parts);
      const threes = { weight: [3, 3, 3, 3], bias: [3, 3] };
      const values = (state: ReadonlyMap<string, torch.Tensor>) =>
        Object.fromEntries([...state].map(([key, tensor]) => [key, tensor.flatten().tolist()]));
      t.deepEqual(values(masters.stateDict(network.stateDict())), threes);
      t.deepEqual(values(network.stateDict()), threes);
    });
  }
}

test('masters that nobody wrote past keep what bfloat16 cannot hold', (t) => {
  const { network, masters, stepper } = lowered();
  const before = masters.of(network.parameters()).map((tensor) => tensor.tolist());
  for (const read of Object.values(readers)) read({ network, masters, stepper });
  masters.stateDict(network.stateDict());
  t.deepEqual(
    masters.of(network.parameters()).map((tensor) => tensor.tolist()),
    before,
  );
});

test('ActNorm keeps in bfloat16 what its first batch sets it to', (t) => {
  torch.manualSeed(1);
  const config = vqganConfig();
  Object.assign(config.model.params.lossconfig.params, { use_actnorm: true });
  const { model, step } = buildVqgan(resolveConfig('vqgan', config), 'bfloat16', 'cpu', true);
  const norm = [...(lossOf(model).discriminator as NLayerDiscriminator).main].find(
    (layer): layer is ActNorm => 'loc' in layer,
  )!;
  // By its own first batch: what convolutions in bfloat16 make of it differs between processors.
  let first: torch.Tensor | null = null; // [B, C, H, W]
  norm.registerForwardPreHook((_, [x]) => {
    first ??= torch.keep((x as torch.Tensor).detach().float());
  });
  torch.scope(() => void step(torch.rand([2, 3, 16, 16]), 1));
  const spread = first!.transpose(0, 1).flatten(1).std(1); // [C]
  const scale = norm.scale.detach().flatten().float();
  t.true(scale.min().item() > 2, 'or this test shows nothing');
  t.true(scale.mul(spread).sub(1).abs().max().item() < 0.01);
});

test('gradients of the parts of a step are summed in float32', (t) => {
  const { network, masters, stepper } = lowered();
  const [master] = masters.of([network.weight]);
  const before = master!.detach().clone();
  const small = 2 ** -10; // lost when it is added to 1 in bfloat16
  for (const parts of [[1, small], [small]]) {
    stepper.zeroGrad();
    for (const gradient of parts) {
      network.weight.grad = torch.full([2, 2], gradient, { dtype: 'bfloat16' });
      stepper.gather!();
    }
    stepper.step();
  }
  const moved = before.sub(master!.detach()).sub(1 + 2 * small);
  t.true(moved.abs().max().item() < 1e-6);
});
