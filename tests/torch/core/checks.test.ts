import test from 'ava';
import { checkArguments, checkFor, checkOverloads } from '../../../src/torch/core/checks.js';
import { ArgumentError } from '../../../src/torch/core/errors.js';
import { parseSchema } from '../../../src/torch/core/schema.js';

// Operators that do not exist: the registry knows names only.
const schema = parseSchema('test::made(Tensor self, int count, str? test_word=None) -> Tensor');

test('an overload without rules has no check', (t) => {
  t.is(checkFor(parseSchema('test::other(Tensor self, int count) -> Tensor')), null);
});

test('rules for arguments come before those for the overload, in the order in which they were added', (t) => {
  const asked: string[] = [];
  const asks = (name: string) => () => (asked.push(name), null);
  checkOverloads(/^test::made$/, asks('overload'));
  checkOverloads(/^test::made$/, (given) =>
    given('count') === 0 ? `'count' is at least 1, not ${given('count')}` : null,
  );
  checkArguments(({ name }) => (name === 'test_word' ? asks('argument') : null));
  const check = checkFor(schema)!;
  check([null, 1]);
  t.deepEqual(asked, ['argument', 'overload']);
  const error = t.throws(() => check([null, 0, 'word']), { instanceOf: ArgumentError });
  t.is(error.message, "test::made: 'count' is at least 1, not 0");
  t.is(error.operator, 'test::made');
});

test('an error that a rule meets has the name of the operator that was called', (t) => {
  checkOverloads(/^test::failing$/, () => {
    throw new ArgumentError('aten::other: no');
  });
  const check = checkFor(parseSchema('test::failing(Tensor self) -> Tensor'))!;
  t.is(t.throws(() => check([null]), { instanceOf: ArgumentError }).operator, 'test::failing');
});
