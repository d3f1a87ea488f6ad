/** Coordinates as a condition, against values recorded from the reference in `tests/fixtures/conditional.safetensors`. */
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { CoordStage } from '../../../src/models/conditions/coordinates.js';
import * as torch from '../../../src/torch/index.js';
import { loadCheckpoint } from '../../../src/torch/io/index.js';

const { tensors } = await loadCheckpoint(
  fileURLToPath(new URL('../../fixtures/conditional.safetensors', import.meta.url)),
);
const recorded = (name: string) => tensors.get(`coordStage.${name}`)!;

for (const name of ['full', 'halves', 'ones', 'random']) {
  test(`ids and decoded positions are the reference’s: ${name}`, (t) => {
    const stage = new CoordStage({ nEmbed: 24, downFactor: 2 });
    const { quantized, indices } = stage.encode(recorded(`${name}.in`).double());
    t.deepEqual([indices.dtype, indices.tolist()], ['int64', recorded(`${name}.indices`).tolist()]);
    t.deepEqual(quantized.tolist(), indices.tolist());
    const decoded = recorded(`${name}.decoded`);
    const difference = stage.decode(quantized).sub(decoded).abs().max().item();
    t.true(difference < 1e-7, `${difference}`);
    t.deepEqual(stage.decode(quantized).shape, decoded.shape);
  });
}

test('sides that blocks do not divide are covered by fewer, larger blocks', (t) => {
  const stage = new CoordStage({ nEmbed: 24, downFactor: 2 });
  const { indices } = stage.encode(recorded('odd.in').double());
  t.deepEqual(indices.tolist(), recorded('odd.quant').tolist());
});

for (const [name, height, width] of [
  ['faceshq', 256, 256],
  ['faceshq512x768', 512, 768],
] as const) {
  test(`positions of whole images in reading order: ${name}`, (t) => {
    const area = height * width;
    const map = torch.arange(area, { dtype: 'float64' }).div(area).view([1, 1, height, width]);
    const { indices } = new CoordStage({ nEmbed: 1024, downFactor: 16 }).encode(map);
    t.deepEqual(indices.tolist(), recorded(`${name}.indices`).tolist());
  });
}
