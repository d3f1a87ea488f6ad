import test from 'ava';
import { shownNamed } from '../../src/metrics/definitions.js';
import { differingField, expectAlike, UnlikeProtocolsError } from '../../src/metrics/evaluation.js';
import { featureMetrics, measureFeatures } from '../../src/metrics/feature-metrics.js';
import { frechetDistance } from '../../src/metrics/frechet.js';
import { evaluationCard } from '../../src/reports/evaluation-card.js';
import { equals, input } from './golden.js';

test('every metric of features at once, with the settings they depend on', (t) => {
  const [reference, generated] = [input('features.real'), input('features.fake')];
  const probabilities = input('logits.probabilities');
  const { values, protocol } = measureFeatures({ reference, generated, probabilities });
  equals(t, values['fid']!, 'fid.symmetricEigh');
  equals(t, values['is']!, 'inceptionScore.splits10.mean');
  for (const name of ['precision', 'recall', 'density', 'coverage']) {
    equals(t, values[name]!, `prdc.features.k5.${name}`);
  }
  for (const name of Object.keys(values)) t.truthy(shownNamed(name), name);
  t.deepEqual(Object.keys(values), featureMetrics.map(({ name }) => name).slice(1)); // rFID is of runs
  t.like(protocol, { 'kid.subsetSize': 36, 'kid.seed': 0, 'is.splits': 10, 'precision.k': 5 });
  const few = measureFeatures({ reference: reference.narrow(0, 0, 5), generated });
  t.deepEqual(Object.keys(few.values), ['fid', 'kid', 'kidStd', 'nearest', 'authenticity']);
  t.is(few.values['fid'], frechetDistance(reference.narrow(0, 0, 5), generated));
});

test('results measured differently are not compared, and the field is named', (t) => {
  const result = (what: string, protocol: Record<string, string | number>) => ({
    what,
    values: { psnr: 20.123, fid: 3 },
    protocol: { size: 64, ...protocol },
  });
  const [a, b] = [result('runs/a', { images: 'x' }), result('runs/b', { images: 'x' })];
  t.is(differingField(a.protocol, b.protocol), null);
  t.notThrows(() => expectAlike([a, b]));
  for (const [field, protocol, message] of [
    ['size', { size: 128, images: 'x' }, /runs\/a and other cannot be compared: size is 64 .*128/],
    ['images', {}, /images is x for the first, and not given for the second/],
    ['k', { images: 'x', k: 3 }, /k is not given for the first, and 3 for the second/],
  ] as const) {
    const error = t.throws<UnlikeProtocolsError>(() => evaluationCard([a, b, result('other', protocol)]), {
      instanceOf: UnlikeProtocolsError,
      message,
    });
    t.is(error?.field, field);
  }
});

test('a card has a column for each result, and says how they were measured', (t) => {
  const protocol = { size: 64, crop: 'centre square' };
  const card = evaluationCard([
    { what: 'runs/a', values: { psnr: 20.123, used: 7 }, protocol },
    { what: 'runs/longer', values: { psnr: 9.5, fid: 3.14159 }, protocol },
  ]);
  t.deepEqual(card.split('\n'), [
    '                           runs/a  runs/longer',
    'PSNR of reconstructions  20.12 dB      9.50 dB',
    'codes in use                    7            –',
    'FID                             –        3.142',
    '',
    'measured by',
    '  size  64',
    '  crop  centre square',
  ]);
});
