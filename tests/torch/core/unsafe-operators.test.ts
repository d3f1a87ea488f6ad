import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { publicOperators } from '../../../scripts/public-operators.js';
import * as torch from '../../../src/torch/index.js';
import { fullName } from '../../../src/torch/core/schema.js';
import { unsafeOperators } from '../../../src/torch/core/unsafe-operators.js';

const folder = mkdtempSync(join(tmpdir(), 'unsafe-operators-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

test('the table has at most 40 overloads, all of them public, each with its reason', (t) => {
  const names = new Set([...publicOperators().values()].flat().map(fullName));
  const entries = Object.entries(unsafeOperators);
  t.true(entries.length > 0 && entries.length <= 40);
  for (const [name, reason] of entries) {
    t.true(names.has(name), `${name} is no public overload`);
    t.true(reason.length > 20, `${name} has no reason`);
  }
});

test('an unsafe overload throws its reason, and goes through where the options say so', (t) => {
  const path = join(folder, 'mapped');
  const unsafely = torch.fromFile as (...args: unknown[]) => unknown;
  const error = t.throws(() => unsafely(path, true, 4), { instanceOf: torch.UnsafeOperatorError });
  t.is(error.operator, 'aten::from_file');
  t.true(error.message.includes(unsafeOperators['aten::from_file']!));
  t.regex(error.message, /unsafe: true/);
  for (const options of [{ unsafe: false }, { unsafe: 1 }, { unsafe: undefined }])
    t.throws(() => unsafely(path, true, 4, options), { instanceOf: torch.UnsafeOperatorError });
  t.false(existsSync(path));
  t.deepEqual(torch.fromFile(path, true, 4, { unsafe: true }).shape, [4]);
  t.true(existsSync(path));
});

test('methods ask as well, and an error remembers no way around', (t) => {
  const x = torch.ones([2, 2]);
  const method = () => (x.toMkldnn as () => unknown).call(x);
  t.throws(method, { instanceOf: torch.UnsafeOperatorError });
  t.deepEqual(x.toMkldnn({ unsafe: true }).toDense().tolist(), x.tolist());
  t.throws(method, { instanceOf: torch.UnsafeOperatorError });
});

test('unsafe is no option of other operators', (t) => {
  const x = torch.ones([2]);
  t.throws(() => x.sum({ unsafe: true } as never), {
    instanceOf: torch.ArgumentError,
    message: /does not take/,
  });
});

test('callOperator does not look at the table', (t) => {
  const x = torch.ones([2, 2]);
  const mkldnn = torch.callOperator('aten::to_mkldnn', '', [x]) as torch.Tensor;
  t.is(mkldnn.layout, 'mkldnn');
});
