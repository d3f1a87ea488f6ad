// The other threads of lifetimes.ts; plain JavaScript, since tsx does not reach into workers.
import { parentPort, workerData } from 'node:worker_threads';
import { torch } from 'tessera-torch';

function compute() {
  torch.scope(() => {
    const weight = torch.randn([64, 64], { requiresGrad: true });
    const x = torch.randn([64, 64]);
    x.matmul(weight).relu().matmul(weight).sum().backward();
  });
}

if (workerData === 'handles') {
  const tensors = Array.from({ length: 256 }, () => torch.ones([1]));
  parentPort.postMessage(tensors.map((tensor) => tensor.handle));
  // Listening keeps the thread, and so its tensors, alive.
  parentPort.on('message', () => tensors.length);
} else {
  parentPort.postMessage('ready');
  for (;;) compute();
}
