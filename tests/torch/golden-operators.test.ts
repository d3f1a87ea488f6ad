import test from 'ava';
import { calls, checkOperators } from '../golden/operators.js';

test('every recorded call gives what PyTorch gave', (t) => {
  t.is(calls.length, 503);
  const { ran, disagreements } = checkOperators('cpu');
  t.deepEqual(disagreements, []);
  t.is(ran, 503);
});
