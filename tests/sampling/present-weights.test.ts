/** A sampler that is kept while its model changes draws by the model as it is then. */
import test from 'ava';
import { GPT } from '../../src/models/priors/gpt.js';
import { generate, TokenSampler } from '../../src/sampling/sampler.js';
import * as nn from '../../src/torch/nn/index.js';
import * as optim from '../../src/torch/optim/index.js';
import * as torch from '../../src/torch/index.js';
import { livelyGpt } from './lively-gpt.js';

const sizes = { vocabSize: 40, blockSize: 30, nLayer: 2, nHead: 2, nEmbd: 16 };
const prefix = torch.tensor([[3n, 1n]]);
const greedy = { greedy: true };

/** Another model's weights. */
function others(): Map<string, torch.Tensor> {
  torch.manualSeed(77);
  const other = new GPT(sizes);
  torch.noGrad(() => {
    for (const parameter of other.parameters()) parameter.normal_();
  });
  return other.stateDict();
}

const projections = (gpt: GPT) =>
  [...gpt.blocks].flatMap(({ attn }) => [attn.query, attn.key, attn.value] as const);

const changes: Record<string, (gpt: GPT) => void> = {
  'a state dict loaded': (gpt) => void gpt.loadStateDict(others()),
  'a step of an optimizer': (gpt) => {
    const optimizer = new optim.AdamW(gpt.parameters(), { lr: 0.5 });
    gpt
      .forward(torch.tensor([[5n, 6n, 7n]]))
      .square()
      .mean()
      .backward();
    optimizer.step();
  },
  'weights written in place': (gpt) =>
    torch.noGrad(() => projections(gpt).forEach(({ weight }) => void weight.mul_(-2))),
  'weights written through another handle': (gpt) =>
    torch.noGrad(() => projections(gpt).forEach(({ weight }) => void weight.data.mul_(-2))),
  'biases written in place': (gpt) =>
    torch.noGrad(() => projections(gpt).forEach(({ bias }) => void bias!.normal_(0, 3))),
  'other memory under the weights': (gpt) =>
    torch.noGrad(() =>
      projections(gpt).forEach(({ weight }) => {
        weight.data = weight.detach().mul(-2);
      }),
    ),
  'another dtype': (gpt) => void gpt.double(),
  'another module for a part': (gpt) => {
    torch.manualSeed(8);
    (gpt as { head: nn.Linear }).head = new nn.Linear(16, 40, { bias: false });
    for (const block of gpt.blocks) (block.attn as { value: nn.Linear }).value = new nn.Linear(16, 16);
  },
};

for (const [change, apply] of Object.entries(changes)) {
  for (const recorded of [false, true]) {
    test(`tokens are those of the present weights after ${change}${recorded ? ', steps being recorded' : ''}`, (t) => {
      const gpt = livelyGpt(sizes);
      const counts = { recorded: 0, disposed: 0 };
      const record = (work: () => void) => {
        counts.recorded += 1;
        return { run: work, dispose: () => void (counts.disposed += 1) };
      };
      using sampler = new TokenSampler(gpt, { batch: 1, bucket: 10, ...greedy, ...(recorded && { record }) });
      const before = sampler.sample(prefix, 25).tolist();
      t.deepEqual(before, generate(gpt, prefix, 25, greedy).tolist());
      apply(gpt);
      const expected = generate(gpt, prefix, 25, greedy).tolist();
      if (change !== 'another dtype') t.notDeepEqual(expected, before, 'or this test shows nothing');
      t.deepEqual(sampler.sample(prefix, 25).tolist(), expected);
      t.deepEqual(sampler.sample(prefix, 1).tolist(), [(expected as number[][])[0]!.slice(0, 3)]);
      // A recording reads memory: it is kept where only values changed.
      const moved = ['other memory under the weights', 'another dtype', 'another module for a part'];
      if (recorded) t.is(counts.disposed > 0, moved.includes(change));
    });
  }
}

test('following the weights leaves no tensors behind', (t) => {
  const gpt = livelyGpt(sizes);
  using sampler = new TokenSampler(gpt, { batch: 1, ...greedy });
  sampler.sample(prefix, 5).dispose(); // makes the views of the first window, which stay
  const { tensors } = torch.memory();
  for (const apply of [() => {}, () => void gpt.double(), () => void gpt.float()]) {
    apply();
    sampler.sample(prefix, 5).dispose();
    t.is(torch.memory().tensors, tensors);
  }
});

test('a disposed sampler says so, whatever the weights are', (t) => {
  const gpt = livelyGpt(sizes);
  const sampler = new TokenSampler(gpt, { batch: 1 });
  sampler.dispose();
  const message = /it was disposed/;
  t.throws(() => sampler.sample(prefix, 3), { instanceOf: torch.DisposedError, message });
  gpt.double();
  t.throws(() => sampler.sample(prefix, 3), { instanceOf: torch.DisposedError, message });
});
