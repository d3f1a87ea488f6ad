import test from 'ava';
import { runChecks, table } from '../../../scripts/packages/checks.js';

const ran: string[] = [];
const checks = ['one', 'two', 'three'].map((name) => ({
  name,
  run() {
    ran.push(name);
    if (name === 'two') throw new Error('broken\nin detail');
  },
}));
const quiet = { say() {} };

test.beforeEach(() => void ran.splice(0));

test.serial('a failure is reported and the others run', async (t) => {
  const outcomes = await runChecks(checks, {}, quiet);
  t.deepEqual(ran, ['one', 'two', 'three']);
  t.deepEqual(
    outcomes.map(({ fault }) => fault),
    [null, 'broken\nin detail', null],
  );
  const lines = table(outcomes).split('\n');
  t.regex(lines[0]!, /^one +\d+\.\d s {2}ok$/);
  t.regex(lines[1]!, /^two +\d+\.\d s {2}FAULT: broken$/);
  t.regex(lines[3]!, /^3 checks, 1 with a fault, \d+ s$/);
});

test.serial('strict stops at the first fault; only chooses by the beginning of a name', async (t) => {
  t.is((await runChecks(checks, {}, { ...quiet, strict: true })).length, 2);
  t.deepEqual(
    (await runChecks(checks, {}, { ...quiet, only: 't' })).map(({ name }) => name),
    ['two', 'three'],
  );
  await t.throwsAsync(runChecks(checks, {}, { ...quiet, only: 'four' }), {
    message: /no such check.*one; two; three/,
  });
});
