/**
 * Makes `instanceof` true for the objects of every copy of this package in the process. A program that both requires and
 * imports the package has two of each class, over the same tensors. Goes by the class alone: subclasses of others are told
 * apart as ever.
 */
export function acrossCopies(Class: abstract new (...args: never[]) => object, name: string): void {
  const mark = Symbol.for(`tessera-torch.${name}`);
  Object.defineProperty(Class.prototype, mark, { value: true });
  Object.defineProperty(Class, Symbol.hasInstance, {
    value(this: unknown, value: unknown): boolean {
      const own = Function.prototype[Symbol.hasInstance].call(this as () => void, value);
      return own || (this === Class && isMarked(value, mark));
    },
  });
}

function isMarked(value: unknown, mark: symbol): boolean {
  if (typeof value !== 'object' || value === null) return false;
  for (
    let prototype: unknown = Object.getPrototypeOf(value);
    prototype !== null;
    prototype = Object.getPrototypeOf(prototype)
  ) {
    if (Object.hasOwn(prototype as object, mark)) return true;
  }
  return false;
}
