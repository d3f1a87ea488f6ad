import { sameShape } from '../core/layout.js';
import { unrecorded } from '../core/unrecorded.js';
import * as torch from '../index.js';
import type { Tensor } from '../index.js';
import { ModuleDict } from './containers.js';
import { Module } from './module.js';
import { Parameter } from './parameter.js';

/**
 * Computes a parameter from others, called originals.
 *
 * @example
 * ```ts
 * class Symmetric extends nn.Parametrization {
 *   override forward(original: Tensor): Tensor {
 *     return original.triu().add(original.triu(1).t());
 *   }
 *   override rightInverse(value: Tensor): Tensor {
 *     return value.triu();
 *   }
 * }
 * const layer = nn.registerParametrization(new nn.Linear(2, 2), 'weight', new Symmetric());
 * layer.weight.sum().backward(); // reaches the original
 * ```
 */
export abstract class Parametrization extends Module {
  abstract override forward(...originals: Tensor[]): Tensor;
  /** Computes originals from which `forward` makes the given tensor, or one close to it. */
  abstract rightInverse(value: Tensor): Tensor | readonly Tensor[];
}

/**
 * A parametrization and its originals: keys `original`, or `original0`, `original1`, …, and `0.…`.
 *
 * @example
 * ```ts
 * const layer = nn.weightNorm(new nn.Linear(8, 2));
 * const list = layer.modules().find((module) => module instanceof nn.ParametrizationList)!;
 * const [lengths, directions] = list.originals; // [2, 1], [2, 8]
 * ```
 */
export class ParametrizationList extends Module {
  /** The parameters that are trained instead of the computed one. */
  readonly originals: readonly Parameter[];
  readonly #parametrization: Parametrization;
  readonly #single: boolean;

  constructor(parametrization: Parametrization, original: Parameter) {
    super();
    this.#parametrization = parametrization;
    const made = torch.noGrad(() => parametrization.rightInverse(original.detach()));
    this.#single = made instanceof torch.Tensor;
    const list = made instanceof torch.Tensor ? [made] : made;
    this.originals = list.map((tensor) => new Parameter(tensor, original.requiresGrad));
    // As in PyTorch, where spectral norm takes a step of its iteration here.
    const shape = unrecorded(() => this.forward().shape);
    const wanted = original.shape;
    if (!sameShape(shape, wanted)) {
      throw new torch.ShapeError(
        `${parametrization.constructor.name} makes a tensor of shape [${shape.join(', ')}] of a parameter of [${wanted.join(', ')}]`,
      );
    }
  }

  protected override ownParameters(): [string, Parameter][] {
    return this.originals.map((parameter, i) => [this.#single ? 'original' : `original${i}`, parameter]);
  }

  protected override submodules(): [string, Module][] {
    return [['0', this.#parametrization]];
  }

  override forward(): Tensor {
    return this.#parametrization.forward(...this.originals);
  }

  /** Sets the originals so that the parameter has this value. */
  assign(value: Tensor): void {
    unrecorded(() => {
      const made = this.#parametrization.rightInverse(value.detach());
      const list = made instanceof torch.Tensor ? [made] : made;
      this.originals.forEach((original, i) => original.copy_(list[i] as Tensor));
    });
  }
}

type Parametrized = Module & { parametrizations?: ModuleDict<ParametrizationList> };

/**
 * Makes a parameter computed from others at every read, like torch.nn.utils.parametrize: state dicts hold
 * `parametrizations.<name>.original…` instead of `<name>`.
 *
 * @param name field of the module that holds the parameter
 * @returns the module
 *
 * @example
 * ```ts
 * class Positive extends nn.Parametrization {
 *   override forward(original: Tensor): Tensor {
 *     return original.exp();
 *   }
 *   override rightInverse(value: Tensor): Tensor {
 *     return value.clampMin(1e-6).log();
 *   }
 * }
 * const layer = nn.registerParametrization(new nn.Linear(8, 2), 'weight', new Positive());
 * const keys = [...layer.stateDict().keys()]; // ['bias', 'parametrizations.weight.original']
 * ```
 */
export function registerParametrization<M extends Module>(
  module: M,
  name: string,
  parametrization: Parametrization,
): M {
  const parameter: unknown = Reflect.get(module, name);
  const list = (module as Parametrized).parametrizations;
  if (list?.has(name) === true)
    throw new torch.ArgumentError(`${module.constructor.name}.${name} has a parametrization already`);
  if (!(parameter instanceof Parameter))
    throw new torch.ArgumentError(`${module.constructor.name} has no parameter in a field '${name}'`);
  const held = new ParametrizationList(parametrization, parameter);
  Object.defineProperty(module, name, {
    get: () => held.forward(),
    set: (value: Tensor) => {
      held.assign(value);
    },
    // Not found when the fields are searched: the originals are the parameters.
    enumerable: false,
    configurable: true,
  });
  (list ?? ((module as Parametrized).parametrizations = new ModuleDict<ParametrizationList>())).set(
    name,
    held,
  );
  return module;
}

/**
 * True if the module's parameter of that name, or any if no name is given, is computed from others.
 *
 * @example
 * ```ts
 * const layer = nn.weightNorm(new nn.Linear(8, 2));
 * const found = [nn.isParametrized(layer, 'weight'), nn.isParametrized(layer, 'bias')]; // [true, false]
 * ```
 */
export function isParametrized(module: Module, name?: string): boolean {
  const list = (module as Parametrized).parametrizations;
  return list !== undefined && (name === undefined || list.has(name));
}

/**
 * Replaces the parametrization with a parameter of the current value.
 *
 * @example
 * ```ts
 * const layer = nn.weightNorm(new nn.Linear(8, 2));
 * const keys = [...nn.removeParametrization(layer, 'weight').stateDict().keys()]; // ['weight', 'bias']
 * ```
 */
export function removeParametrization<M extends Module>(module: M, name: string): M {
  const holder = module as Parametrized;
  const list = holder.parametrizations;
  if (list?.has(name) !== true)
    throw new torch.ArgumentError(`${module.constructor.name}.${name} has no parametrization`);
  const value = unrecorded(() => list.get(name).forward().clone());
  const learnt = list.get(name).originals.some((original) => original.requiresGrad);
  Object.defineProperty(module, name, {
    value: new Parameter(value, learnt),
    enumerable: true,
    writable: true,
    configurable: true,
  });
  const others = [...list].filter(([key]) => key !== name);
  if (others.length === 0) delete holder.parametrizations;
  else holder.parametrizations = new ModuleDict(new Map(others));
  return module;
}
