/** Which convolution a scale of a multi-scale quantizer has, against VAR's table, in which ties depend on rounding. */
import { readFileSync } from 'node:fs';
import test from 'ava';
import { phiOfScale } from '../../../src/models/quantizers/phi.js';

const path = new URL('../../fixtures/golden/zoo/phi-of-scale.json', import.meta.url);
const table = JSON.parse(readFileSync(path, 'utf8')) as Record<string, number[]>;

test('each scale has the convolution of the published implementation', (t) => {
  t.true(Object.keys(table).length > 50);
  for (const [name, expected] of Object.entries(table)) {
    const [count, scales] = name.split(' of ').map(Number) as [number, number];
    const found = expected.map((_, scale) => phiOfScale(count, scale, scales));
    t.deepEqual(found, expected, `${count} convolutions of ${scales} scales`);
  }
});

test('a single scale has the first convolution', (t) => {
  t.is(phiOfScale(4, 0, 1), 0);
});
