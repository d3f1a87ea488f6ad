import test from 'ava';
import * as torch from '../../../src/torch/index.js';

const made = () => torch.inferenceMode(() => torch.ones([2]).mul(3));

test('inference mode holds for its function or block only, and can be left inside', (t) => {
  const leaf = torch.ones([2], { requiresGrad: true });
  t.false(torch.isInferenceModeEnabled());
  torch.inferenceMode(() => {
    t.true(torch.isInferenceModeEnabled());
    t.false(torch.isGradEnabled());
    t.false(leaf.mul(2).requiresGrad);
    t.false(torch.enableGrad(() => leaf.mul(2)).requiresGrad);
    torch.inferenceMode(false, () => {
      t.true(leaf.mul(2).requiresGrad);
      t.false(torch.ones([1]).isInference());
    });
    t.true(torch.isInferenceModeEnabled());
  });
  {
    using _on = torch.inferenceMode();
    t.true(torch.isInferenceModeEnabled());
    {
      using _off = torch.inferenceMode(false);
      t.false(torch.isInferenceModeEnabled());
    }
    t.true(torch.isInferenceModeEnabled());
  }
  t.false(torch.isInferenceModeEnabled());
  t.true(torch.isGradEnabled());
  const guard = torch.inferenceMode();
  guard[Symbol.dispose]();
  guard[Symbol.dispose]();
  t.false(torch.isInferenceModeEnabled());
});

test('inference mode ends with an error, and refuses to wait for a promise', (t) => {
  t.throws(
    () =>
      torch.inferenceMode(() => {
        throw new Error('mine');
      }),
    { message: 'mine' },
  );
  t.throws(() => torch.inferenceMode(async () => 1), {
    instanceOf: TypeError,
    message: /inferenceMode cannot wait/,
  });
  t.false(torch.isInferenceModeEnabled());
});

test('an inference tensor is read and computed with outside the mode as any other', (t) => {
  const x = made();
  t.true(x.isInference());
  t.deepEqual(x.tolist(), [3, 3]);
  t.false(x.add(1).isInference());
  t.true(x.view([2, 1]).isInference());
  t.true(x.detach().isInference());
  const leaf = torch.ones([2], { requiresGrad: true });
  // A sum saves nothing for backward.
  leaf.add(x).sum().backward();
  t.deepEqual(leaf.grad!.tolist(), [1, 1]);
  torch.inferenceMode(() => x.add_(1));
  t.deepEqual(x.tolist(), [4, 4]);
});

const leaf = torch.ones([2], { requiresGrad: true });
const keeping = torch.customFunction({
  forward(context, a: torch.Tensor, b: torch.Tensor) {
    context.saveForBackward(b);
    return a.mul(b);
  },
  backward: ({ savedTensors: [b] }, gradient) => [gradient.mul(b!), null],
});
const refused: [string, (x: torch.Tensor) => unknown, RegExp][] = [
  ['saving it for a backward pass', (x) => leaf.mul(x), /aten::mul.*cannot be saved for backward/s],
  ['saving it in a function of one’s own', (x) => keeping(leaf, x), /cannot be saved for backward/],
  ['changing it in place', (x) => x.add_(1), /aten::add_.*Inplace update to inference tensor/s],
  ['changing a view of it in place', (x) => x.view([2, 1]).mul_(2), /Inplace update to inference tensor/],
  ['asking it for gradients', (x) => x.requiresGrad_(), /requires_grad=True on inference tensor/],
  ['going backward from it', (x) => x.sum().backward(), /does not require grad/],
];
for (const [what, use, message] of refused) {
  test(`an inference tensor refuses autograd: ${what}`, (t) => {
    t.throws(() => use(made()), { instanceOf: torch.AutogradError, message });
  });
}

test('a clone of an inference tensor is an ordinary tensor', (t) => {
  const copy = made().clone();
  t.false(copy.isInference());
  copy.add_(1).requiresGrad_();
  copy.mul(copy).sum().backward();
  t.deepEqual(copy.grad!.tolist(), [8, 8]);
});

test('tensors from outside stay ordinary in inference mode, and views of them', (t) => {
  const weight = torch.ones([2], { requiresGrad: true });
  const [view, changed] = torch.inferenceMode(() => [weight.view([2, 1]), torch.ones([2])] as const);
  t.false(view.isInference());
  t.true(changed.isInference());
  const plain = torch.zeros([2]);
  torch.inferenceMode(() => plain.add_(5));
  t.false(plain.isInference());
  weight.mul(plain).sum().backward();
  t.deepEqual(weight.grad!.tolist(), [5, 5]);
});
