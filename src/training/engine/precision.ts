/**
 * Training with networks in 16 bits: the networks compute with bfloat16 or float16 copies of their weights, while the
 * optimizer keeps and updates float32 masters. Values are converted back to float32 where they leave a network, so that
 * the quantizer, all losses and the adaptive weight never see 16 bits. (Casting at every layer, as autocast does, moves
 * norms and activations through float32 memory; this does not.)
 */
import * as torch from '../../torch/index.js';
import type { Tensor } from '../../torch/index.js';
import * as nn from '../../torch/nn/index.js';
import type { StepOptimizer } from './step-optimizer.js';

/** Dtypes of 16 bits that networks compute in. */
export type HalfDType = 'bfloat16' | 'float16';

interface Pair {
  copy: Tensor;
  master: Tensor;
}

/**
 * The float32 masters of networks' parameters. Parameters of any other network are used as they are. If a network's
 * weights are written from outside (by a state dict, or a norm that initialises itself from its first batch), the
 * masters take over the new values.
 *
 * @example
 * ```ts
 * const network = new nn.Linear(8, 8);
 * const masters = new MasterWeights([network]); // the network computes in bfloat16 from here on
 * const parameters = masters.of(network.parameters()); // float32
 * const optimizer = masters.around(parameters, new optim.Adam(parameters, { lr: 1e-3 }));
 * ```
 */
export class MasterWeights {
  readonly #dtype: HalfDType;
  readonly #masters = new Map<Tensor, Tensor>();
  /** Version of each copy when it was last equal to its master. */
  readonly #versions = new Map<Tensor, number>();

  /**
   * Converts `networks` to 16 bits in place and keeps float32 masters of their weights.
   *
   * @param dtype of the networks, default bfloat16; float16 needs scaled losses, see `torch.amp.GradScaler`
   */
  constructor(networks: Iterable<nn.Module> = [], dtype: HalfDType = 'bfloat16') {
    this.#dtype = dtype;
    for (const network of networks) this.lower(network);
  }

  /** Converts a network to 16 bits in place, except batch norms, and keeps float32 masters of its weights. */
  lower(network: nn.Module): void {
    const dtype = this.#dtype;
    for (const module of network.modules()) {
      // Batch statistics average over many steps, too finely for 16 bits; the kernel accepts mixed dtypes.
      if (module instanceof nn.BatchNorm2d) continue;
      // Weights that are computed from others are computed in float32, and only then rounded.
      if (module instanceof nn.ParametrizationList)
        module.registerForwardHook((_, __, weight) => floatsTo(dtype)(weight));
      for (const parameter of Object.values(module).filter((value) => value instanceof nn.Parameter)) {
        if (this.#masters.has(parameter)) continue;
        torch.noGrad(() => {
          this.#masters.set(parameter, torch.keep(parameter.detach().clone()));
          torch.scope(() => {
            parameter.data = parameter.detach().to(dtype);
          });
          this.#versions.set(parameter, versionOf(parameter));
        });
      }
    }
    network.registerForwardPreHook((_, args) => args.map(floatsTo(dtype)));
    network.registerForwardHook((_, __, output) =>
      Array.isArray(output) ? output.map(floatsTo('float32')) : floatsTo('float32')(output),
    );
  }

  /** Returns the tensors that an optimizer of these parameters updates. */
  of(parameters: Iterable<Tensor>): Tensor[] {
    return [...parameters].map((parameter) => this.#masters.get(parameter) ?? parameter);
  }

  /** Returns the state dict with masters instead of their copies in 16 bits. */
  stateDict(state: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
    this.#adopt(this.#pairs());
    return new Map([...state].map(([key, tensor]) => [key, this.#masters.get(tensor) ?? tensor]));
  }

  /** Wraps an optimizer: copies gradients to the masters before its step and new weights to the copies after it. */
  around(parameters: readonly Tensor[], optimizer: StepOptimizer): StepOptimizer {
    const pairs = parameters.flatMap((copy) => {
      const master = this.#masters.get(copy);
      return master ? [{ copy, master }] : [];
    });
    if (pairs.length === 0) return optimizer;
    const copies = pairs.map(({ copy }) => copy);
    let gathered = false;
    const gather = () => {
      torch.scope(() => handOver(pairs, gathered));
      gathered = true;
      for (const copy of copies) copy.grad = null;
    };
    return {
      paramGroups: optimizer.paramGroups ?? [],
      scaler: optimizer.scaler ?? null,
      refreshLearningRates: () => optimizer.refreshLearningRates?.(),
      ...(optimizer.prepareForBackward && { prepareForBackward: () => optimizer.prepareForBackward?.() }),
      zeroGrad() {
        for (const copy of copies) copy.grad = null;
        optimizer.zeroGrad();
        gathered = false;
      },
      // In float32: 16 bits would lose most of what a part adds to the sum of those before it.
      gather,
      step: () => {
        this.#adopt(pairs);
        if (gathered) gather();
        else torch.scope(() => handOver(pairs));
        optimizer.step();
        // Copies only its own weights: another optimizer's networks may still be needed by a pending backward.
        this.#copyAll(pairs);
      },
    };
  }

  /** Returns a module's parameters, buffers and masters. */
  all(module: nn.Module): Tensor[] {
    const own = [...module.parameters(), ...module.buffers()];
    return [...new Set([...own, ...this.of(own)])];
  }

  /** Copies the masters' values into the networks. */
  sync(): void {
    const pairs = this.#pairs();
    this.#adopt(pairs);
    this.#copyAll(pairs);
  }

  #pairs(): Pair[] {
    return [...this.#masters].map(([copy, master]) => ({ copy, master }));
  }

  /** Updates masters whose copies have been written to since. */
  #adopt(pairs: readonly Pair[]): void {
    const written = pairs.filter(({ copy }) => this.#versions.get(copy) !== versionOf(copy));
    torch.noGrad(() => {
      for (const { copy, master } of written) master.copy_(copy);
    });
    for (const { copy } of written) this.#versions.set(copy, versionOf(copy));
  }

  #copyAll(pairs: readonly Pair[]): void {
    if (pairs.length === 0) return;
    torch.noGrad(() =>
      torch.callOperator('aten::_foreach_copy_', '', [
        pairs.map(({ copy }) => copy),
        pairs.map(({ master }) => master),
      ]),
    );
    for (const { copy } of pairs) this.#versions.set(copy, versionOf(copy));
  }
}

/** Returns a function that converts floating-point tensors to a dtype, and returns other values as they are. */
export function floatsTo(dtype: HalfDType | 'float32'): (value: unknown) => unknown {
  return (value) =>
    value instanceof torch.Tensor && /^(b?float)/.test(value.dtype) ? value.to(dtype) : value;
}

function versionOf(tensor: Tensor): number {
  return torch.callOperator('aten::_version', '', [tensor]) as number;
}

/** Copies the gradients of the copies to the masters in float32, all in one call; with `add`, adds them. */
function handOver(pairs: readonly Pair[], add = false): void {
  const [given, wanted]: [Tensor[], Tensor[]] = [[], []];
  const sums: { master: Tensor; before: Tensor }[] = [];
  for (const { copy, master } of pairs) {
    const [gradient, before] = [copy.grad, add ? master.grad : null];
    if (gradient === null) {
      master.grad = before;
      continue;
    }
    const full = torch.emptyLike(master);
    given.push(gradient);
    wanted.push(full);
    master.grad = full;
    if (before) sums.push({ master, before });
  }
  if (given.length === 0) return;
  torch.noGrad(() => {
    torch.callOperator('aten::_foreach_copy_', '', [wanted, given]);
    for (const { master, before } of sums) master.grad!.add_(before);
  });
}
