// What the processes and threads of exits.ts do when they are ended; plain JavaScript, since tsx does not reach into
// workers. Each is one unit of synchronous work, milliseconds long.
import { F, torch } from 'tessera-torch';

const square = torch.customFunction({
  forward(context, x) {
    context.saveForBackward(x);
    return x.mul(x);
  },
  backward: ({ savedTensors: [x] }, gradient) => gradient.mul(x).mul(2),
});

const leaf = (shape) => torch.randn(shape, { requiresGrad: true });

export const busyWork = {
  matmul: () =>
    torch
      .randn([64, 64])
      .matmul(leaf([64, 64]))
      .relu()
      .sum()
      .backward(),
  convolution: () =>
    F.conv2d(torch.randn([2, 8, 24, 24]), leaf([16, 8, 3, 3]))
      .square()
      .sum()
      .backward(),
  attention() {
    const [q, k, v] = [leaf([1, 2, 32, 16]), leaf([1, 2, 32, 16]), leaf([1, 2, 32, 16])];
    F.scaledDotProductAttention(q, k, v).sum().backward();
  },
  // Large enough that libtorch divides it between threads.
  threads: () =>
    torch
      .rand([1 << 18])
      .exp()
      .cumsum(0)
      .sum()
      .item(),
  sort: () => torch.randn([1 << 13]).sort(),
  decomposition: () => torch.linalgSvd(torch.randn([32, 32])),
  fourier: () =>
    torch
      .fftFft(torch.randn([4096]))
      .abs()
      .sum(),
  unrecorded: () => torch.noGrad(() => leaf([256, 256]).mul(2).tanh()),
  inference: () => torch.inferenceMode(() => torch.randn([256, 256]).softmax(-1)),
  hook() {
    const x = leaf([64]);
    const y = x.mul(2);
    y.registerHook((gradient) => gradient.mul(torch.ones([64]).add(1)));
    y.square().sum().backward();
  },
  customFunction: () =>
    square(leaf([64]).mul(3))
      .sum()
      .backward(),
  recomputed() {
    const weight = leaf([32, 32]);
    torch
      .checkpoint((x) => x.matmul(weight).tanh().matmul(weight), [leaf([8, 32])], [weight])
      .sum()
      .backward();
  },
  mistakes() {
    for (let i = 0; i < 20; i++) {
      try {
        torch.ones([2]).add(torch.ones([3]));
      } catch (error) {
        if (!(error instanceof torch.TorchError)) throw error;
      }
    }
  },
};

/** Computes in the given ways in turn, in a scope or leaving the tensors to the garbage collector. */
export function busy(kinds, turn, scoped = true) {
  const work = busyWork[kinds[turn % kinds.length]];
  if (scoped) torch.scope(() => void work());
  else work();
}
