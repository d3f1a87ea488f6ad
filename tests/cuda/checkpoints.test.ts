/** Checkpoints that PyTorch wrote, one of them from a GPU, read and moved to the device. */
import { fileURLToPath } from 'node:url';
import { differences, madeByPytorch } from '../torch/io/made-by-pytorch.js';
import { device, onDevice } from './device.js';

const fixtures = fileURLToPath(new URL('../fixtures/checkpoints/', import.meta.url));

for (const name of madeByPytorch(fixtures)) {
  onDevice(`${name}: its tensors have PyTorch's values there`, async (t) => {
    t.deepEqual(await differences(fixtures, name, device), []);
  });
}
