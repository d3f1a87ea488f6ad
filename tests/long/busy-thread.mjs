// A worker of exits.ts: computes until it is terminated.
import { parentPort, workerData } from 'node:worker_threads';
import { torch } from 'tessera-torch';
import { busy } from './busy-work.mjs';

const kept = torch.keep([torch.ones([1000]), torch.ones([10], { requiresGrad: true }).mul(2)]);
parentPort.postMessage(kept.length);
for (let turn = 0; ; turn++) busy(workerData.kinds, turn, workerData.scoped);
