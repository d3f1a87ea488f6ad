/**
 * Runs every public overload on a float64 sample and compares the gradients of those that autograd records with finite
 * differences. Fails where the outcome is not what tests/fixtures/gradients.json says, where an overload has no
 * explanation, and below 90% agreement. `--write` rewrites the list.
 *
 *     npm run test:long -- gradients [--write]
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { overloadName } from '../torch/gradients/check.js';
import { classify, type GradientList } from '../torch/gradients/classify.js';
import { publicOperators } from '../../scripts/public-operators.js';

const PATH = fileURLToPath(new URL('../fixtures/gradients.json', import.meta.url));
const list: GradientList = { checked: {}, excused: {}, without: {}, refused: {} };
const unexplained: [string, string][] = [];
const schemas = [...publicOperators().values()].flat();
const named = schemas.map((schema) => [overloadName(schema), schema] as const);
named.sort(([a], [b]) => (a < b ? -1 : 1));
for (const [index, [name, schema]] of named.entries()) {
  const { kind, detail } = classify(schema);
  if (kind === 'unexplained') unexplained.push([name, detail]);
  else list[kind][name] = detail;
  if (index % 200 === 199) console.log(`${index + 1} of ${named.length} overloads`);
}
for (const [name, detail] of unexplained) console.log(`UNEXPLAINED ${name}: ${detail}`);
for (const kind of ['excused', 'refused', 'without'] as const) {
  const reasons = Object.values(list[kind]);
  for (const reason of new Set(reasons)) {
    console.log(`${kind}: ${reasons.filter((one) => one === reason).length} × ${reason}`);
  }
}

const committed = process.argv.includes('--write')
  ? null
  : (JSON.parse(readFileSync(PATH, 'utf8')) as GradientList);
let different = 0;
for (const [kind, outcomes] of Object.entries(list)) {
  const before = committed?.[kind as keyof GradientList] ?? {};
  for (const name of new Set(committed ? [...Object.keys(before), ...Object.keys(outcomes)] : [])) {
    if (before[name] === outcomes[name]) continue;
    different++;
    console.log(`DIFFERENT ${name}, ${kind}: the list says ${before[name]}, it is ${outcomes[name]}`);
  }
}
if (!committed) writeFileSync(PATH, `${JSON.stringify(list, null, 1)}\n`);

const agree = Object.keys(list.checked).length;
const recorded = agree + Object.keys(list.excused).length;
const share = agree / recorded;
console.log(
  `${schemas.length} public overloads: ${recorded} give a gradient function on a float64 sample, ${agree} of them ` +
    `(${(100 * share).toFixed(1)}%) agree with finite differences, each of the other ${recorded - agree} has its reason; ` +
    `${unexplained.length} unexplained, ${different} different from the list`,
);
process.exitCode = unexplained.length === 0 && different === 0 && share >= 0.9 ? 0 : 1;
