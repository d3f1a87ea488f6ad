import { readFileSync } from 'node:fs';
import test from 'ava';
import { publicOperators } from '../../scripts/public-operators.js';
import * as torch from '../../src/torch/index.js';
import { LIBTORCH_VERSION } from '../../src/setup/locate.js';
import { overloadName } from './gradients/check.js';
import { classify, type GradientList } from './gradients/classify.js';
import { writtenNames } from './gradients/samples/index.js';

const list = JSON.parse(
  readFileSync(new URL('../fixtures/gradients.json', import.meta.url), 'utf8'),
) as GradientList;
const overloads = new Map(
  [...publicOperators().values()].flat().map((schema) => [overloadName(schema), schema]),
);

// Between versions of libtorch a handful of operators come, go or learn a formula.
const ofThisVersion = torch.version === LIBTORCH_VERSION ? test : test.skip;

ofThisVersion('the list of gradients names every public overload once', (t) => {
  const listed = Object.values(list).flatMap((outcomes) => Object.keys(outcomes));
  t.deepEqual(listed.sort(), [...overloads.keys()].sort());
  t.deepEqual(
    writtenNames.filter((name) => !overloads.has(name)),
    [],
    'samples without an overload',
  );
});

for (const kind of ['checked', 'excused'] as const) {
  ofThisVersion(`gradients against finite differences: ${kind}`, (t) => {
    const wrong: string[] = [];
    for (const [name, expected] of Object.entries(list[kind])) {
      const { kind: found, detail } = classify(overloads.get(name)!, expected);
      if (found !== kind || detail !== expected) wrong.push(`${name}: ${found}, ${detail}`);
    }
    t.deepEqual(wrong, []);
  });
}

test('nine in ten of the overloads that give a gradient function agree with finite differences', (t) => {
  const agree = Object.keys(list.checked).length;
  const excused = Object.values(list.excused);
  t.true(agree >= 0.9 * (agree + excused.length));
  t.true(excused.every((reason) => reason.length > 10));
});
