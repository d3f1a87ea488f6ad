import { ArgumentError } from '../index.js';
import { Module } from './module.js';

/** The kinds of members: the first word of the collection's name. */
type Kind = 'Module' | 'Parameter';

/** Returns the member at an index from 0, or from the end if negative. */
export function memberAt<T>(members: readonly T[], index: number, owner: string, kind: Kind): T {
  const member = members.at(index);
  if (member !== undefined) return member;
  const what = kind.toLowerCase();
  throw new ArgumentError(`${owner} of ${members.length} ${what}s has no ${what} at index ${index}`);
}

/** Base class of `ModuleList` and `ParameterList`. */
export abstract class MemberList<T> extends Module {
  protected static readonly kind: Kind;
  readonly #kind: Kind;
  readonly #members: T[];

  constructor(members: Iterable<T> = []) {
    super();
    this.#kind = new.target.kind;
    this.#members = [...members];
  }

  /** Adds members at the end; their keys are their positions. */
  push(...members: T[]): this {
    this.#members.push(...members);
    return this;
  }

  /** @param index from 0, or from the end if negative */
  get(index: number): T {
    return memberAt(this.#members, index, `${this.#kind}List`, this.#kind);
  }

  /** Number of members. */
  get length(): number {
    return this.#members.length;
  }

  /** Iterates over the members in order. */
  [Symbol.iterator](): Iterator<T> {
    return this.#members.values();
  }
}

/** Base class of `ModuleDict` and `ParameterDict`. */
export abstract class MemberDict<T> extends Module {
  protected static readonly kind: Kind;
  readonly #kind: Kind;
  readonly #members: Map<string, T>;

  constructor(members: ReadonlyMap<string, T> | Readonly<Record<string, T>> = {}) {
    super();
    this.#kind = new.target.kind;
    this.#members = new Map(members instanceof Map ? members : Object.entries(members));
  }

  /** Stores a member under a name, replacing an earlier one. */
  set(name: string, member: T): this {
    this.#members.set(name, member);
    return this;
  }

  /** True if there is a member of this name. */
  has(name: string): boolean {
    return this.#members.has(name);
  }

  /** Returns the member of this name. @throws ArgumentError if there is none */
  get(name: string): T {
    const member = this.#members.get(name);
    if (member !== undefined) return member;
    const what = this.#kind.toLowerCase();
    throw new ArgumentError(
      `${this.#kind}Dict has no ${what} ${JSON.stringify(name)}, only ${[...this.#members.keys()].join(', ')}`,
    );
  }

  /** Number of members. */
  get size(): number {
    return this.#members.size;
  }

  /** Iterates over names and members in insertion order. */
  [Symbol.iterator](): Iterator<[string, T]> {
    return this.#members.entries();
  }
}
