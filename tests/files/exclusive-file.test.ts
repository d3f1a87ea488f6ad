import { readFileSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { createExclusively } from '../../src/files/exclusive-file.js';
import { withLock } from '../../src/files/lock.js';
import { RunError } from '../../src/runs/error.js';
import { lockRun } from '../../src/runs/lock.js';
import { failing } from '../without-links.js';
import { folder } from '../setup/fake-libtorch.js';

/** A process id that no process has: above every system's limit. */
const dead = { pid: 2 ** 30, host: hostname(), token: 'x', started: 'then', begun: '1' };

for (const code of ['ENOSYS', 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK', 'EXDEV', 'EACCES']) {
  test.serial(`where hard links fail with ${code}, locks are held, refused, and taken over`, async (t) => {
    failing(t, 'link', code);
    const home = folder(t);
    const path = join(home, 'lock');
    let inside = 0;
    const work = async () => {
      t.is(++inside, 1);
      await new Promise(setImmediate);
      inside--;
    };
    writeFileSync(path, JSON.stringify(dead));
    await Promise.all(Array.from({ length: 4 }, () => withLock(path, work, { poll: 1 })));

    writeFileSync(join(home, 'run.lock'), JSON.stringify(dead));
    const release = lockRun(home);
    t.throws(() => lockRun(home), { instanceOf: RunError, message: /is being trained by process/ });
    release();
    lockRun(home)();
    t.deepEqual(readdirSync(home), []);
  });
}

test.serial('where nothing can be renamed either, a stale lock is taken over', async (t) => {
  failing(t, 'link', 'ENOSYS');
  failing(t, 'rename', 'ENOSYS');
  const home = folder(t);
  writeFileSync(join(home, 'lock'), JSON.stringify(dead));
  t.is(await withLock(join(home, 'lock'), async () => 'done'), 'done');
  writeFileSync(join(home, 'run.lock'), JSON.stringify(dead));
  lockRun(home)();
  t.deepEqual(readdirSync(home), []);
});

test.serial(
  'a lock that is just being written is another process; left empty by one that died, it is not',
  (t) => {
    failing(t, 'link', 'EPERM');
    const home = folder(t);
    const path = join(home, 'run.lock');
    writeFileSync(path, '');
    t.throws(() => lockRun(home), { message: /another process has just opened this run/ });
    const old = new Date(Date.now() - 60_000);
    utimesSync(path, old, old);
    lockRun(home)();
  },
);

test.serial('a file that is there is left as it is, with links and without', (t) => {
  const home = folder(t);
  const path = join(home, 'file');
  t.true(createExclusively(path, 'first', `${path}.draft`));
  t.false(createExclusively(path, 'second', `${path}.draft`));
  failing(t, 'link', 'ENOTSUP');
  t.false(createExclusively(path, 'third', `${path}.draft`));
  t.is(readFileSync(path, 'utf8'), 'first');
  t.deepEqual(readdirSync(home), ['file']);
});
