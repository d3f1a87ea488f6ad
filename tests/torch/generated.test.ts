import { execFileSync } from 'node:child_process';
import test from 'ava';
import * as torch from '../../src/torch/index.js';
import { LIBTORCH_VERSION } from '../../src/setup/locate.js';

test('the committed operators are what libtorch declares', (t) => {
  if (torch.version !== LIBTORCH_VERSION) return t.pass(`made for libtorch ${LIBTORCH_VERSION}`);
  const output = execFileSync(process.execPath, ['build/tested/scripts/generate-operators.js', '--check'], {
    encoding: 'utf8',
  });
  t.regex(output, /1006 operators/);
});
