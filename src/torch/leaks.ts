import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe } from './core/describe.js';
import { LeakError } from './core/errors.js';
import { groupBy } from './core/group-by.js';
import { native } from './native/load.js';
import { tensorsIn } from './core/scope.js';
import { Tensor } from './core/tensor.js';

// At most this many kinds are listed in a message.
const SHOWN = 20;

/**
 * Calls `fn`, which may be asynchronous, and throws if it leaves tensors alive that were not alive before: for use in
 * tests. The garbage collector runs first, so tensors outside scopes count only if something still refers to them. The
 * tensors in `fn`'s result, as `scope` finds them, belong to the caller and do not count. Tensors that stay alive by
 * design (an optimizer's state, created at its first step; tensors of a scope that is still open) do count: run the
 * code once before, and outside scopes.
 *
 * @returns what `fn` returns
 * @throws LeakError with the number, dtypes and shapes of the tensors; or, unchanged, what `fn` throws
 *
 * @example
 * ```ts
 * const model = new nn.Linear(8, 2);
 * torch.expectNoLeaks(() => torch.scope(() => model.forward(torch.randn([4, 8])).tolist())); // in a test
 * ```
 */
export function expectNoLeaks<T>(fn: () => T): T {
  const before = liveTensors();
  const result = fn();
  if (result instanceof Promise) return result.then((value) => checked(before, value)) as T;
  return checked(before, result);
}

function checked<T>(before: ReadonlySet<number>, result: T): T {
  const known = new Set(before);
  for (const tensor of tensorsIn(result)) known.add(tensor.handle);
  const left = [...liveTensors()].filter((handle) => !known.has(handle));
  if (left.length === 0) return result;
  throw new LeakError(message(left), left.length);
}

/** Returns the handles of this thread's tensors that something still refers to. */
function liveTensors(): ReadonlySet<number> {
  let handles = native.liveTensors();
  let before: number;
  // Collecting a tensor may free a graph, and with it the last reference to other tensors.
  do {
    before = handles.length;
    collectGarbage();
    handles = native.liveTensors();
  } while (handles.length < before);
  return new Set(handles);
}

function message(handles: readonly number[]): string {
  const kinds = [...groupBy(handles, (handle) => describe(new Tensor(handle)))];
  const lines = kinds
    .sort(([, a], [, b]) => b.length - a.length)
    .map(([kind, { length }]) => `\n  ${length} × ${kind}`);
  const more = lines.length > SHOWN ? `\n  and ${lines.length - SHOWN} other kinds` : '';
  const [number, verb] = handles.length === 1 ? ['1 tensor', 'is'] : [`${handles.length} tensors`, 'are'];
  return (
    `${number} ${verb} alive that the function made and did not return:${lines.slice(0, SHOWN).join('')}${more}\n` +
    'Open a torch.scope around the work, dispose of the tensors it creates, or drop what still refers to it'
  );
}

function collectGarbage(): void {
  // The flag decides which globals new contexts have; those of this context stay as they are.
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  setFlagsFromString('--no-expose-gc');
  collect();
}
