import type { ExecutionContext } from 'ava';
import type { Check } from './data.js';
import { failures, worst } from './data.js';

/** Fails the test with the names and errors of all checks that do not hold; logs the largest error of the group. */
export function assertChecks(t: ExecutionContext, checks: readonly Check[]): void {
  t.true(checks.length > 0, 'no checks ran');
  const { name, error } = worst(checks);
  t.log(`${checks.length} checks, largest error ${error.toExponential(1)} (${name})`);
  const failed = failures(checks).map((check) => `${check.name}: ${check.error} > ${check.bound}`);
  t.deepEqual(failed, []);
}
