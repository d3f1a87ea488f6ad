import test from 'ava';
import fc from 'fast-check';
import { chartSvg, niceTicks, tickLabel } from '../../src/reports/chart.js';

test('ticks are round, evenly spaced, inside the range, and few', (t) => {
  const range = fc.tuple(
    fc.double({ min: -1e6, max: 1e6, noNaN: true }),
    fc.double({ min: 1e-3, max: 1e6, noNaN: true }),
  );
  fc.assert(
    fc.property(range, ([low, span]) => {
      const ticks = niceTicks(low, low + span);
      t.true(ticks.length >= 1 && ticks.length <= 9, `${ticks.length} ticks from ${low} over ${span}`);
      const slack = span * 1e-6;
      t.true(ticks.every((tick) => tick >= low - slack && tick <= low + span + slack));
      const step = ticks[1]! - ticks[0]!;
      if (ticks.length > 2)
        t.true(ticks.every((tick, i) => i === 0 || Math.abs(tick - ticks[i - 1]! - step) < slack));
    }),
  );
});

for (const [value, label] of [
  [0, '0'],
  [0.25, '0.25'],
  [1200, '1200'],
  [12_000, '12k'],
  [-2_500_000, '-2.5M'],
] as const) {
  test(`a tick at ${value} reads ${label}`, (t) => t.is(tickLabel(value), label));
}

/** Heights of the dashed line and of the text that names it. */
function levelAndName(curve: number[]): { line: number; name: number } {
  const points = curve.map((y, x) => [x, y] as const);
  const svg = chartSvg({ title: 'a', series: [{ name: 'b', points }], levels: [{ name: 'goal', y: 5 }] });
  const [before = '', after = ''] = svg.split('stroke-dasharray');
  const line = Number(/M48 ([\d.]+)H[^M]*$/.exec(before)?.[1]);
  return { line, name: Number(/translate\([\d.]+ ([\d.]+)\)/.exec(after)?.[1]) };
}

test('the name of a level stands where the curve does not end', (t) => {
  const over = levelAndName([0, 3, 8, 9, 10]);
  t.true(over.name > over.line, 'the curve ends over it: under the line');
  const under = levelAndName([0, 1, 2, 3, 4]);
  t.true(under.name < under.line, 'the curve ends under it: over the line');
});

test('points that are not finite leave the rest of the curve as it is', (t) => {
  const series = [
    {
      name: 'loss',
      points: [
        [0, 1],
        [1, Number.NaN],
        [2, Infinity],
        [3, 2],
      ] as const,
    },
  ];
  t.notRegex(chartSvg({ title: 'a', series }), /NaN|Infinity/);
});
