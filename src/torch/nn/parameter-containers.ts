import { MemberDict, MemberList } from './collections.js';
import type { Parameter } from './parameter.js';

function shown(parameter: Parameter): string {
  const { dtype, shape, device } = parameter;
  const place = device === 'cpu' ? '' : ` (${device})`;
  return `Parameter containing: [torch.${dtype} of size ${shape.join('x')}${place}]`;
}

/**
 * A list of parameters, with keys `0`, `1`, …; it has no `forward`.
 *
 * @example
 * ```ts
 * const scales = new nn.ParameterList([64, 32].map((width) => new nn.Parameter(torch.ones([width]))));
 * const last = scales.get(-1); // [32]
 * ```
 */
export class ParameterList extends MemberList<Parameter> {
  protected static override readonly kind = 'Parameter';

  protected override ownParameters(): [string, Parameter][] {
    return [...this].map((parameter, i) => [String(i), parameter]);
  }

  protected override childLines(): string[] {
    return this.ownParameters().map(([key, parameter]) => `(${key}): ${shown(parameter)}`);
  }
}

/**
 * Parameters by name; the names are used unchanged as keys. It has no `forward`.
 *
 * @example
 * ```ts
 * const tokens = new nn.ParameterDict({ start: new nn.Parameter(torch.zeros([1, 64])) });
 * const start = tokens.get('start'); // [1, 64]
 * ```
 */
export class ParameterDict extends MemberDict<Parameter> {
  protected static override readonly kind = 'Parameter';

  protected override ownParameters(): [string, Parameter][] {
    return [...this];
  }

  protected override childLines(): string[] {
    return this.ownParameters().map(([key, parameter]) => `(${key}): ${shown(parameter)}`);
  }
}
