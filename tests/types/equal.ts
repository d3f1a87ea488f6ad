/** True if two types are the same, not merely assignable to each other. */
export type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Compiles only where the type argument is `true`: `is<Equal<typeof x, Tensor>>(true)`. */
export function is<Same extends boolean>(_same: Same): void {}
