import test from 'ava';
import { bestBy, metricNamed, metricsOf } from '../../src/metrics/definitions.js';
import { formatMetric } from '../../src/metrics/metric.js';

const all = Object.values(metricsOf).flat();

test('every metric has a name and a label of its own', (t) => {
  for (const key of ['name', 'label'] as const)
    t.is(new Set(all.map((metric) => metric[key])).size, all.length);
  for (const metric of all) t.is(metricNamed(metric.name), metric);
  t.is(metricNamed('of another version'), undefined);
});

test('a metric is drawn as a curve during a run, or as a level into the chart of one that is', (t) => {
  for (const { name, curve, level, atEnd } of all) {
    t.is(curve === undefined, atEnd === true, name);
    if (level) t.truthy(metricNamed(level.of)?.curve, name);
  }
});

test('the best checkpoint of a stage is chosen by its first metric that says what is better', (t) => {
  const inOrder = ['psnr', 'ssim', 'pixelAccuracy', 'meanIou', 'used', 'perplexity'];
  t.deepEqual(
    bestBy('vqgan'),
    inOrder.map((name) => ({ name, better: 'higher' as const })),
  );
  const loss = [{ name: 'heldOutLoss', better: 'lower' as const }];
  t.deepEqual(bestBy('transformer'), loss);
  t.deepEqual(bestBy('transformer', 'loss'), loss);
  t.deepEqual(bestBy('vqgan', 'ssim'), [{ name: 'ssim', better: 'higher' }]);
  for (const name of ['loss', 'changedCodes', 'countModel']) t.deepEqual(bestBy('vqgan', name), [], name);
});

test('a value is shown with its digits and unit', (t) => {
  t.is(formatMetric(metricNamed('psnr')!, 21.0087), '21.01 dB');
  t.is(formatMetric(metricNamed('used')!, 73), '73');
  t.is(formatMetric(metricNamed('heldOutLoss')!, 0.36567), '0.366 nats');
});
