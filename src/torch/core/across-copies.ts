/**
 * Makes `instanceof` true for the objects of every copy of this package in the process. A program that both requires
 * and imports the package has two of each class, over the same tensors. Only the class itself is affected: subclasses
 * in other code are distinguished as before.
 */
export function acrossCopies(Class: abstract new (...args: never[]) => object, name: string): void {
  const mark = Symbol.for(`tessera-torch.${name}`);
  Object.defineProperty(Class.prototype, mark, { value: true });
  Object.defineProperty(Class, Symbol.hasInstance, {
    value(this: unknown, value: unknown): boolean {
      if (typeof value !== 'object' || value === null) return false;
      // The engine caches where it found the mark: a module's fields are checked in every step.
      if (this === Class) return mark in value;
      return Function.prototype[Symbol.hasInstance].call(this as () => void, value);
    },
  });
}
