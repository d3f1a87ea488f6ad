import * as torch from '../index.js';
import { Module } from './module.js';
import type { Parameter } from './parameter.js';

function shown(parameter: Parameter): string {
  const { dtype, shape, device } = parameter;
  const place = device === 'cpu' ? '' : ` (${device})`;
  return `Parameter containing: [torch.${dtype} of size ${shape.join('x')}${place}]`;
}

/** A list of parameters, with keys `0`, `1`, …; it has no `forward`. */
export class ParameterList extends Module {
  #parameters: Parameter[];

  constructor(parameters: Iterable<Parameter> = []) {
    super();
    this.#parameters = [...parameters];
  }

  protected override ownParameters(): [string, Parameter][] {
    return this.#parameters.map((parameter, i) => [String(i), parameter]);
  }

  /** Adds parameters at the end; their keys are their positions. */
  push(...parameters: Parameter[]): this {
    this.#parameters.push(...parameters);
    return this;
  }

  /** @param index from 0, or from the end if negative */
  get(index: number): Parameter {
    const parameter = this.#parameters.at(index);
    if (parameter !== undefined) return parameter;
    throw new torch.ArgumentError(
      `ParameterList of ${this.#parameters.length} parameters has no parameter at index ${index}`,
    );
  }

  /** Number of parameters. */
  get length(): number {
    return this.#parameters.length;
  }

  /** Iterates over the parameters in order. */
  [Symbol.iterator](): Iterator<Parameter> {
    return this.#parameters.values();
  }

  protected override childLines(): string[] {
    return this.#parameters.map((parameter, i) => `(${i}): ${shown(parameter)}`);
  }
}

/** Parameters by name; the names are used unchanged as keys. It has no `forward`. */
export class ParameterDict extends Module {
  #parameters: Map<string, Parameter>;

  constructor(parameters: ReadonlyMap<string, Parameter> | Readonly<Record<string, Parameter>> = {}) {
    super();
    this.#parameters = new Map(parameters instanceof Map ? parameters : Object.entries(parameters));
  }

  protected override ownParameters(): [string, Parameter][] {
    return [...this.#parameters];
  }

  /** Stores a parameter under a name, replacing an earlier one. */
  set(name: string, parameter: Parameter): this {
    this.#parameters.set(name, parameter);
    return this;
  }

  /** True if there is a parameter of this name. */
  has(name: string): boolean {
    return this.#parameters.has(name);
  }

  /** Returns the parameter of this name, or undefined. */
  get(name: string): Parameter {
    const parameter = this.#parameters.get(name);
    if (parameter !== undefined) return parameter;
    throw new torch.ArgumentError(
      `ParameterDict has no parameter ${JSON.stringify(name)}, only ${[...this.#parameters.keys()].join(', ')}`,
    );
  }

  /** Number of parameters. */
  get size(): number {
    return this.#parameters.size;
  }

  /** Iterates over names and parameters in insertion order. */
  [Symbol.iterator](): Iterator<[string, Parameter]> {
    return this.#parameters.entries();
  }

  protected override childLines(): string[] {
    return [...this.#parameters].map(([name, parameter]) => `(${name}): ${shown(parameter)}`);
  }
}
