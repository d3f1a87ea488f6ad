import test from 'ava';
import { Accepted, acceptedFile } from '../../scripts/same-as/accepted.js';
import { withoutAdded, withoutAddedInRuns } from '../../scripts/same-as/added-settings.js';
import type { Rows } from '../../scripts/same-as/checkout.js';
import { differences, withoutNew } from '../../scripts/same-as/compare.js';
import { failing, numbersOf, timelessLines } from '../../scripts/same-as/run-rows.js';
import { sections } from '../../scripts/same-as/sections.js';

test('rows that are not equal, or that only one checkout has, are differences', (t) => {
  const other = { same: 'a', changed: 'one\ntwo\nthree', gone: 'x' };
  const own = { same: 'a', changed: 'one\n2\nthree', fresh: 'y' };
  t.deepEqual(differences(other, own), [
    { row: 'changed', lines: ['− two', '+ 2'] },
    { row: 'fresh', lines: ['+ only this checkout has this row'] },
    { row: 'gone', lines: ['− only the other checkout has this row'] },
  ]);
  t.deepEqual(differences(own, own), []);
});

test('a row may be new where rows are added, but none may be gone', (t) => {
  const [other, own] = [
    { same: 'a', gone: 'x' },
    { same: 'a', fresh: 'y' },
  ];
  t.deepEqual(differences(other, withoutNew(other, own)), [
    { row: 'gone', lines: ['− only the other checkout has this row'] },
  ]);
});

test('a setting may be new only where the list names it, with the listed value', (t) => {
  const other = { small: 'training:\n  steps: 1\n' };
  const own = { small: 'training:\n  steps: 1\n  fresh: 2\n' };
  const found = (now: Rows, added: Record<string, unknown>) =>
    differences(...withoutAdded(other, now, () => true, added)).length;
  t.is(found(own, {}), 1);
  t.is(found(own, { 'training.other': 2 }), 1);
  t.is(found(own, { 'training.fresh': 3 }), 1);
  t.is(found(own, { 'training.fresh': 2 }), 0);
  t.is(found({ small: 'training:\n  steps: 3\n  fresh: 2\n' }, { 'training.fresh': 2 }), 1);
});

test('the settings of a run are compared without their order, which is a row of its own', (t) => {
  const row = 'run: config.yaml';
  const found = (other: string, own: string) =>
    differences(...withoutAddedInRuns({ [row]: other }, { [row]: own })).map((difference) => difference.row);
  t.deepEqual(found('a: 1\nb: 2\n', 'a: 1\nb: 2\n'), []);
  t.deepEqual(found('a: 1\nb: 2\n', 'b: 2\na: 1\n'), [row]);
  t.deepEqual(found('a: 1\nb: 2\n', 'a: 1\nb: 3\n'), [row, `${row}: values`]);
  t.deepEqual(found('training:\n  a: 1\n', 'training:\n  a: 1\n  csv: false\n'), []);
});

test('an accepted row is no longer a difference, and is stale where it does not differ', (t) => {
  const rows = [{ section: 'one', reason: 'reworded', rows: ['a', 'b'] }];
  const all = differences({ a: '1', b: '2', c: '3' }, { a: '4', b: '2', c: '5' });
  const names = (section: string, exact: boolean) => {
    const { accepted, unequal, stale } = new Accepted(rows, exact).sort(section, all);
    return [accepted.map(({ row }) => row), unequal.map(({ row }) => row), stale];
  };
  t.deepEqual(names('one', true), [['a'], ['c'], ['b']]);
  t.deepEqual(names('one', false), [['a'], ['c'], []]);
  t.deepEqual(names('two', true), [[], ['a', 'c'], []]);
});

test('every accepted row is listed once, with its reason', (t) => {
  const { accepted } = acceptedFile();
  const rows = accepted.flatMap(({ section, rows: of }) => of.map((row) => `${section}: ${row}`));
  t.is(new Set(rows).size, rows.length);
  t.true(
    accepted.every(
      ({ section, reason }) => reason.length > 0 && sections.some(({ name }) => name === section),
    ),
  );
});

test('the numbers of a model card are those of its text and tables, without SSIM', (t) => {
  const card = (words: string, psnr: string) =>
    `${words} 6 steps\n\n| PSNR | ${psnr} dB |\n| SSIM | 0.1 |\n\n\`\`\`\n--n 4\n\`\`\`\n\n## Model\n\n7\n`;
  t.is(numbersOf(card('It trained for', '9.50')), '6 9.50');
  t.not(numbersOf(card('Trained for', '9.50')), numbersOf(card('Trained for', '9.51')));
});

test('a command that fails and a resumed run unlike the whole one are wrong by themselves', (t) => {
  const rows = {
    end: 'exit code 0',
    sample: 'exit code 0\n0.png 4×4×3 f00',
    reconstruct: 'exit code 1\nerror: no images',
    'resumed: a': 'exit code 0\nequals the whole run',
    'resumed: b': 'exit code 0\nNOT as the whole run: metrics',
  };
  t.deepEqual(
    failing(rows).map((line) => line.split(':')[0]),
    ['reconstruct', 'resumed'],
  );
});

test('differences in times and rates do not count, those in losses and metrics do', (t) => {
  const line = (loss: number, seconds: number, psnr = 9) =>
    `{"step":2,"seconds":${seconds},"losses":{"rec":${loss}},"metrics":{"psnr":${psnr}}}\n`;
  t.deepEqual(timelessLines(line(0.5, 1)), timelessLines(line(0.5, 2)));
  t.notDeepEqual(timelessLines(line(0.5, 1)), timelessLines(line(0.25, 1)));
  t.notDeepEqual(timelessLines(line(0.5, 1)), timelessLines(line(0.5, 1, 8)));
});
