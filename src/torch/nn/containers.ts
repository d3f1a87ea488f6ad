import * as torch from '../index.js';
import type { Tensor } from '../index.js';
import { Module } from './module.js';

/**
 * Modules one after another, each given the output of the one before: `new Sequential(a, b)`, keys `0`, `1`, …
 * A Map as only argument names them: `new Sequential(new Map([['4', conv], ['5', relu]]))`.
 *
 * @example
 * ```ts
 * const mlp = new nn.Sequential(new nn.Linear(8, 32), new nn.GELU(), new nn.Linear(32, 2));
 * const y = mlp.forward(torch.randn([4, 8])); // [4, 2]
 * ```
 */
export class Sequential extends Module {
  #entries: [string, Module][];

  constructor(...modules: Module[] | [ReadonlyMap<string, Module>]) {
    super();
    const [first] = modules;
    this.#entries =
      first instanceof Map
        ? [...(first as ReadonlyMap<string, Module>)]
        : (modules as Module[]).map((module, i) => [String(i), module]);
  }

  protected override submodules(): [string, Module][] {
    return [...super.submodules(), ...this.#entries];
  }

  /** Adds a module at the end; its key is its position. */
  push(module: Module): this {
    this.#entries.push([String(this.#entries.length), module]);
    return this;
  }

  /**
   * @param index from 0, or from the end if negative
   * @throws RangeError where there is none
   */
  get(index: number): Module {
    return pick(
      this.#entries.map(([, module]) => module),
      index,
      'Sequential',
    );
  }

  /** Number of modules. */
  get length(): number {
    return this.#entries.length;
  }

  /** The modules in order. */
  [Symbol.iterator](): Iterator<Module> {
    return this.#entries.map(([, module]) => module).values();
  }

  /** Gives the input to the first module, each one's output to the next, and returns the last one's. */
  override forward(input: Tensor): Tensor {
    return this.#run(input, this.#entries.length);
  }

  // A scope per module, each holding the output of the one before: as in Python, what a module was given is freed
  // as soon as it has returned, not when the whole sequence has.
  #run(input: Tensor, count: number): Tensor {
    const module = this.#entries[count - 1]?.[1];
    if (module === undefined) return input;
    if (count === 1) return module.forward(input) as Tensor;
    return torch.scope(() => module.forward(this.#run(input, count - 1)) as Tensor);
  }
}

/** A list of modules, with keys `0`, `1`, …; it has no `forward`. */
export class ModuleList<M extends Module = Module> extends Module {
  #modules: M[];

  constructor(modules: Iterable<M> = []) {
    super();
    this.#modules = [...modules];
  }

  protected override submodules(): [string, Module][] {
    return this.#modules.map((module, i) => [String(i), module]);
  }

  // As PyTorch does: modules that print alike are printed once, with their number.
  protected override childLines(): string[] {
    const runs: { from: number; to: number; text: string }[] = [];
    this.#modules.forEach((module, i) => {
      const text = String(module);
      const last = runs.at(-1);
      if (last?.text === text) last.to = i;
      else runs.push({ from: i, to: i, text });
    });
    return runs.map(({ from, to, text }) =>
      from === to ? `(${from}): ${text}` : `(${from}-${to}): ${to - from + 1} x ${text}`,
    );
  }

  /** Adds modules at the end; their keys are their positions. */
  push(...modules: M[]): this {
    this.#modules.push(...modules);
    return this;
  }

  /** @param index from 0, or from the end if negative */
  get(index: number): M {
    return pick(this.#modules, index, 'ModuleList');
  }

  /** Number of modules. */
  get length(): number {
    return this.#modules.length;
  }

  /** The modules in order. */
  [Symbol.iterator](): Iterator<M> {
    return this.#modules.values();
  }
}

/** Modules by name, used as they are as keys; it has no `forward`. */
export class ModuleDict<M extends Module = Module> extends Module {
  #modules: Map<string, M>;

  constructor(modules: ReadonlyMap<string, M> | Readonly<Record<string, M>> = {}) {
    super();
    this.#modules = new Map(modules instanceof Map ? modules : Object.entries(modules));
  }

  protected override submodules(): [string, Module][] {
    return [...this.#modules];
  }

  /** Puts a module under a name, in place of one that was there. */
  set(name: string, module: M): this {
    this.#modules.set(name, module);
    return this;
  }

  /** Whether there is a module of this name. */
  has(name: string): boolean {
    return this.#modules.has(name);
  }

  /** The module of this name, or undefined. */
  get(name: string): M {
    const module = this.#modules.get(name);
    if (module === undefined) {
      throw new torch.ArgumentError(
        `ModuleDict has no module ${JSON.stringify(name)}, only ${[...this.#modules.keys()].join(', ')}`,
      );
    }
    return module;
  }

  /** Number of modules. */
  get size(): number {
    return this.#modules.size;
  }

  /** Names and modules in the order in which they came. */
  [Symbol.iterator](): Iterator<[string, M]> {
    return this.#modules.entries();
  }
}

function pick<M>(modules: readonly M[], index: number, owner: string): M {
  const module = modules.at(index);
  if (module === undefined) {
    throw new torch.ArgumentError(`${owner} of ${modules.length} modules has none at index ${index}`);
  }
  return module;
}
