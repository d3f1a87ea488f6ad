import { scope } from '../core/scope.js';

/** A class that may name methods of its own. */
interface Class {
  readonly prototype: Record<string, (...args: unknown[]) => unknown>;
  readonly scoped?: readonly string[];
}

const done = new WeakSet<object>();

/** Wraps, once for each class from `constructor` up, the methods that it names as `scoped`. */
export function scopeMethods(constructor: object): void {
  for (
    let owner: object | null = constructor;
    owner !== null && !done.has(owner);
    owner = Object.getPrototypeOf(owner) as object | null
  ) {
    done.add(owner);
    if (!Object.hasOwn(owner, 'scoped')) continue;
    const { prototype, scoped = [] } = owner as Class;
    for (const name of scoped) {
      const method = prototype[name]!;
      const value = function (this: unknown, ...args: unknown[]): unknown {
        return scope(() => method.apply(this, args));
      };
      Object.defineProperty(prototype, name, { value, writable: true, configurable: true });
    }
  }
}
