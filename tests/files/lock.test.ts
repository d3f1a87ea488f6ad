import { existsSync, readFileSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { withLock } from '../../src/files/lock.js';
import { folder } from '../setup/fake-libtorch.js';

/** A process id that no process has: above every system's limit. */
const DEAD = 2 ** 30;

test('only one holder at a time, and nothing is left', async (t) => {
  const home = folder(t);
  const path = join(home, 'lock');
  let inside = 0;
  let most = 0;
  const waits: string[] = [];
  const work = async () => {
    most = Math.max(most, ++inside);
    await sleep(5);
    inside--;
  };
  const options = { poll: 2, onWait: (holder: string) => waits.push(holder) };
  await Promise.all(Array.from({ length: 8 }, () => withLock(path, work, options)));
  t.is(most, 1);
  t.is(waits.length, 7);
  t.true(waits[0]?.includes(String(process.pid)));
  t.deepEqual(readdirSync(home), []);
});

test('an error in the work releases the lock', async (t) => {
  const path = join(folder(t), 'lock');
  await t.throwsAsync(
    withLock(path, () => Promise.reject(new Error('no'))),
    { message: 'no' },
  );
  t.false(existsSync(path));
});

test('a lock whose process is gone is taken over, by one of many', async (t) => {
  const path = join(folder(t), 'lock');
  for (const stale of [JSON.stringify({ pid: DEAD, host: hostname(), token: 'x' })]) {
    writeFileSync(path, stale);
    let inside = 0;
    const work = async () => {
      t.is(++inside, 1);
      await sleep(2);
      inside--;
    };
    await Promise.all(Array.from({ length: 5 }, () => withLock(path, work, { poll: 1 })));
  }
  t.false(existsSync(path));
});

test('a lock of another machine counts until its heartbeat stops', async (t) => {
  const path = join(folder(t), 'lock');
  const foreign = JSON.stringify({ pid: 1, host: 'another-machine', token: 'x' });
  writeFileSync(path, foreign);
  const signal = AbortSignal.timeout(50);
  await t.throwsAsync(
    withLock(path, async () => {}, { poll: 5, signal }),
    { any: true },
  );
  t.is(readFileSync(path, 'utf8'), foreign);
  const old = new Date(Date.now() - 120_000);
  utimesSync(path, old, old);
  t.is(await withLock(path, async () => 'done'), 'done');
});
