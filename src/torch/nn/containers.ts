import * as torch from '../index.js';
import type { Tensor } from '../index.js';
import { memberAt, MemberDict, MemberList } from './collections.js';
import { Module } from './module.js';

/**
 * Applies modules in sequence, each to the previous one's output: `new Sequential(a, b)`, keys `0`, `1`, …
 * A Map as the only argument gives the keys: `new Sequential(new Map([['4', conv], ['5', relu]]))`.
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
   * @throws RangeError if there is no such module
   */
  get(index: number): Module {
    return memberAt([...this], index, 'Sequential', 'Module');
  }

  /** Number of modules. */
  get length(): number {
    return this.#entries.length;
  }

  /** Iterates over the modules in order. */
  [Symbol.iterator](): Iterator<Module> {
    return this.#entries.map(([, module]) => module).values();
  }

  /** Applies the first module to the input, each further one to the previous output, and returns the last output. */
  override forward(input: Tensor): Tensor {
    return this.#run(input, this.#entries.length);
  }

  // One scope per module, which holds the previous module's output: as in Python, a module's input is freed when that
  // module returns, not when the whole sequence does.
  #run(input: Tensor, count: number): Tensor {
    const module = this.#entries[count - 1]?.[1];
    if (module === undefined) return input;
    if (count === 1) return module.forward(input) as Tensor;
    return torch.scope(() => module.forward(this.#run(input, count - 1)) as Tensor);
  }
}

/**
 * A list of modules, with keys `0`, `1`, …; it has no `forward`.
 *
 * @example
 * ```ts
 * const blocks = new nn.ModuleList([new nn.Linear(8, 16), new nn.Linear(16, 2)]);
 * const y = nn.chain(torch.randn([4, 8]), ...blocks); // [4, 2]
 * ```
 */
export class ModuleList<M extends Module = Module> extends MemberList<M> {
  protected static override readonly kind = 'Module';

  protected override submodules(): [string, Module][] {
    return [...this].map((module, i) => [String(i), module]);
  }

  // As in PyTorch, modules that print alike are printed once, with their number.
  protected override childLines(): string[] {
    const runs: { from: number; to: number; text: string }[] = [];
    for (const [i, text] of [...this].map(String).entries()) {
      const last = runs.at(-1);
      if (last?.text === text) last.to = i;
      else runs.push({ from: i, to: i, text });
    }
    return runs.map(({ from, to, text }) =>
      from === to ? `(${from}): ${text}` : `(${from}-${to}): ${to - from + 1} x ${text}`,
    );
  }
}

/**
 * Modules by name; the names are used unchanged as keys. It has no `forward`.
 *
 * @example
 * ```ts
 * const heads = new nn.ModuleDict({ shape: new nn.Linear(8, 3), colour: new nn.Linear(8, 5) });
 * const y = heads.get('colour').forward(torch.randn([4, 8])); // [4, 5]
 * ```
 */
export class ModuleDict<M extends Module = Module> extends MemberDict<M> {
  protected static override readonly kind = 'Module';

  protected override submodules(): [string, Module][] {
    return [...this];
  }
}
