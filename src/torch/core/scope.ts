import { ArgumentError } from './errors.js';
import { native } from '../native/load.js';
import { putHandles } from '../native/wire.js';
import { adopt, enterScope, leaveScope, OwnTensor, scopeDepth, Tensor } from './tensor.js';

/**
 * Calls `fn` and frees every tensor made inside, except those in its result: a tensor, or tensors in plain objects,
 * arrays, Maps and Sets, go to the enclosing scope. Tensors that `keep` was called on stay too.
 * @throws ArgumentError if `fn` returns a promise: the scope would end before the work does.
 *
 * @example
 * ```ts
 * const mean = torch.scope(() => {
 *   const squares = torch.randn([1000]).square(); // freed at the end
 *   return squares.mean();
 * });
 * ```
 */
export function scope<T>(fn: () => T): T {
  native.openScope();
  enterScope();
  let result: T;
  try {
    result = fn();
    if (isPromise(result)) {
      result.then(undefined, () => {});
      throw new ArgumentError(
        'a scope cannot wait: its function returned a promise, and its tensors would be freed before the promise ' +
          'resolves. Open the scope inside the asynchronous function, around its synchronous parts',
      );
    }
  } catch (error) {
    close([]);
    throw error;
  }
  if (result instanceof OwnTensor) closeWith(result);
  else close(tensorsIn(result));
  return result;
}

function closeWith(survivor: Tensor): void {
  const depth = leaveScope();
  putHandles([survivor.handle], 0);
  native.closeScope();
  if (depth === 0 && !survivor.disposed) adopt(survivor);
}

function close(survivors: Tensor[]): void {
  const depth = leaveScope();
  putHandles(
    survivors.map((tensor) => tensor.handle),
    0,
  );
  native.closeScope();
  if (depth === 0) for (const tensor of survivors) if (!tensor.disposed) adopt(tensor);
}

function isPromise(value: unknown): value is Promise<unknown> {
  return (
    typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
  );
}

/**
 * Removes the tensors in a tree from all scopes: the garbage collector owns them from now on.
 * @returns the tree
 *
 * @example
 * ```ts
 * const weights = torch.scope(() => torch.keep(torch.randn([8]))); // survives all scopes
 * weights.dispose();
 * ```
 */
export function keep<T>(tree: T): T {
  for (const tensor of tensorsIn(tree)) adopt(tensor);
  return tree;
}

/**
 * Frees the tensors in a tree at once.
 *
 * @example
 * ```ts
 * const batch = { images: torch.zeros([4, 3, 8, 8]), labels: [torch.zeros([4])] };
 * torch.dispose(batch); // frees both tensors
 * ```
 */
export function dispose(tree: unknown): void {
  for (const tensor of new Set(tensorsIn(tree))) if (!tensor.disposed) tensor.dispose();
}

/** True if a scope is open. */
export function inScope(): boolean {
  return scopeDepth() > 0;
}

/**
 * Returns every tensor in a value: the value itself, or those in plain objects, arrays, Maps and Sets, at any depth.
 */
export function tensorsIn(tree: unknown): Tensor[] {
  const found: Tensor[] = [];
  if (typeof tree === 'object' && tree !== null) collect(tree, found, new Set());
  return found;
}

function collect(value: unknown, found: Tensor[], seen: Set<object>): void {
  if (typeof value !== 'object' || value === null) return;
  if (value instanceof Tensor) {
    found.push(value);
    return;
  }
  if (seen.has(value)) return;
  seen.add(value);
  if (Array.isArray(value) || value instanceof Set) {
    for (const element of value) collect(element, found, seen);
  } else if (value instanceof Map) {
    for (const element of value.values()) collect(element, found, seen);
  } else {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== Object.prototype && prototype !== null) return;
    for (const element of Object.values(value)) collect(element, found, seen);
  }
}
