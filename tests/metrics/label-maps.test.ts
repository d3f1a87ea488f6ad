import test from 'ava';
import { confusionOf, meanIou, pixelAccuracy } from '../../src/metrics/label-maps.js';
import * as torch from '../../src/torch/index.js';

test('pairs of label and prediction are counted', (t) => {
  const labels = torch.tensor([
    [0n, 0n, 1n],
    [2n, 2n, 2n],
  ]);
  const predicted = torch.tensor([
    [0n, 1n, 1n],
    [2n, 2n, 0n],
  ]);
  t.deepEqual([...confusionOf(labels, predicted, 4)], [1, 1, 0, 0, 0, 1, 0, 0, 1, 0, 2, 0, 0, 0, 0, 0]);
});

const cases: [string, number[], number, number][] = [
  ['all right', [3, 0, 0, 1], 1, 1],
  ['all wrong', [0, 3, 1, 0], 0, 0],
  ['half of a label missed', [2, 2, 0, 4], 6 / 8, (2 / 4 + 4 / 6) / 2],
  ['a label that neither occurs nor is predicted', [1, 1, 0, 0, 2, 0, 0, 0, 0], 3 / 4, (1 / 2 + 2 / 3) / 2],
];
for (const [what, counts, accuracy, iou] of cases) {
  test(`accuracy and mean intersection over union: ${what}`, (t) => {
    t.true(Math.abs(pixelAccuracy(Float64Array.from(counts)) - accuracy) < 1e-12);
    t.true(Math.abs(meanIou(Float64Array.from(counts)) - iou) < 1e-12);
  });
}
