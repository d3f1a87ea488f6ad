/** A file system that lacks what ours has: calls of node:fs that fail as they do there. */
import fs from 'node:fs';
import fsPromises from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import type { ExecutionContext } from 'ava';

type Call = 'link' | 'rename' | 'fsync';

/** Lets a call fail with a code while `fails` says so of its first argument; put back after the test. */
export function failing(
  t: Pick<ExecutionContext, 'teardown'>,
  call: Call,
  code: string,
  fails: (first: unknown) => boolean = () => true,
): void {
  const kept = { plain: fs[call], sync: fs[`${call}Sync`], promises: fsPromises[call as 'link'] };
  const error = () => Object.assign(new Error(`${code}: ${call}`), { code, syscall: call, errno: -1 });
  const put = (target: object, name: string, value: unknown) => Object.assign(target, { [name]: value });
  const call1 = (original: unknown) => original as (...args: unknown[]) => unknown;
  put(fs, call, (...args: unknown[]) => {
    if (fails(args[0])) (args.at(-1) as (error: Error) => void)(error());
    else call1(kept.plain)(...args);
  });
  put(fs, `${call}Sync`, (...args: unknown[]) => {
    if (fails(args[0])) throw error();
    return call1(kept.sync)(...args);
  });
  put(fsPromises, call, async (...args: unknown[]) => {
    if (fails(args[0])) throw error();
    return call1(kept.promises)(...args);
  });
  syncBuiltinESMExports();
  t.teardown(() => {
    put(fs, call, kept.plain);
    put(fs, `${call}Sync`, kept.sync);
    put(fsPromises, call, kept.promises);
    syncBuiltinESMExports();
  });
}
