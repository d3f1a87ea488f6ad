/** The examples of the package root, which build whole models. */
import test from 'ava';
import { examples, runExamples } from '../../scripts/run-example.js';

test('examples of the package root run, and give the shapes and values in their comments', async (t) => {
  const { claims, problems } = await runExamples(examples.filter(({ namespace }) => namespace === ''));
  t.true(claims >= 50, String(claims));
  t.deepEqual(problems, []);
});
