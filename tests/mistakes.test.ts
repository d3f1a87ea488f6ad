import test from 'ava';
import { frozenMistakes } from '../scripts/same-as/frozen-mistakes.js';
import { askMistakes } from '../scripts/same-as/mistakes-api.js';
import * as api from '../src/index.js';

// A message that is meant to change: npm run same-as -- --freeze rewrites all of them; read the diff.
test('every mistake in a call of the public entry is answered as it stands frozen', async (t) => {
  const { calls } = frozenMistakes();
  t.true(Object.keys(calls).length >= 100);
  t.deepEqual(await askMistakes(api), calls);
});

test('every mistake is one', (t) => {
  const { calls, commands } = frozenMistakes();
  t.deepEqual(
    Object.entries(calls).filter(([, answer]) => answer === 'no error'),
    [],
  );
  t.deepEqual(
    Object.entries(commands).filter(([, answer]) => !/^exit code [12]\n[^]*error: /.test(answer)),
    [],
  );
});
