/** Steps of optimizers whose parameters, gradients and states were tampered with after the first step. */
import * as torch from '../../../src/torch/index.js';
import type { Tensor } from '../../../src/torch/index.js';
import { clipGradNorm_, clipGradValue_ } from '../../../src/torch/nn/clip-gradients.js';
import * as optim from '../../../src/torch/optim/index.js';
import { parseSchema } from '../../../src/torch/core/schema.js';
import type { Random } from './random.js';
import type { Target } from './targets.js';

type AnyOptimizer = optim.Optimizer<{ lr: number }>;

const makers: Record<string, (params: Tensor[], random: Random) => AnyOptimizer> = {
  SGD: (params, random) => new optim.SGD(params, { lr: 0.1, momentum: random.pick([0, 0.9]) }),
  Adam: (params, random) =>
    new optim.Adam(params, { amsgrad: random.chance(0.3), fused: random.pick([null, null, false]) }),
  AdamW: (params, random) => new optim.AdamW(params, { maximize: random.chance(0.3) }),
  Adamax: (params) => new optim.Adamax(params),
  NAdam: (params) => new optim.NAdam(params),
  RAdam: (params) => new optim.RAdam(params),
  RMSprop: (params, random) => new optim.RMSprop(params, { momentum: random.pick([0, 0.9]), centered: true }),
  Rprop: (params) => new optim.Rprop(params),
  ASGD: (params) => new optim.ASGD(params),
  Adagrad: (params) => new optim.Adagrad(params),
  Adadelta: (params) => new optim.Adadelta(params),
};

type Tampering = (optimizer: AnyOptimizer, other: Tensor, random: Random) => void;

function someParameter(optimizer: AnyOptimizer, random: Random): Tensor {
  // What another tampering put there need not be a tensor.
  return random.pick(optimizer.paramGroups[0]!.params.filter((param) => param instanceof torch.Tensor));
}

function someState(optimizer: AnyOptimizer, random: Random): [Record<string, Tensor>, string] | null {
  const entries = [...optimizer.state.values()].flatMap((state) =>
    Object.keys(state)
      .filter((name) => state[name] instanceof torch.Tensor)
      .map((name): [Record<string, Tensor>, string] => [state, name]),
  );
  return entries.length > 0 ? random.pick(entries) : null;
}

const tamperings: Tampering[] = [
  (optimizer, other, random) => {
    const found = someState(optimizer, random);
    if (found) found[0][found[1]] = other;
  },
  (optimizer, other, random) => {
    const found = someState(optimizer, random);
    if (found) found[0][found[1]]!.data = other;
  },
  (optimizer, _, random) => {
    const found = someState(optimizer, random);
    found?.[0][found[1]]!.dispose();
  },
  (optimizer, _, random) => {
    const found = someState(optimizer, random);
    if (found) delete found[0][found[1]];
  },
  (optimizer, _, random) => {
    const found = someState(optimizer, random);
    if (found) found[0][found[1]] = found[0][found[1]]!.reshape([-1]).slice(0, 0, 1);
  },
  (optimizer, other, random) => {
    someParameter(optimizer, random).data = other;
  },
  (optimizer, other, random) => {
    someParameter(optimizer, random).grad = other;
  },
  (optimizer, other, random) => {
    const { grad } = someParameter(optimizer, random);
    if (grad) grad.data = other;
  },
  (optimizer, _, random) => someParameter(optimizer, random).grad?.dispose(),
  (optimizer, _, random) => someParameter(optimizer, random).dispose(),
  (optimizer, other, random) => {
    const saved = optimizer.stateDict();
    const state = saved.state[0];
    if (state) state[random.pick(Object.keys(state))] = other;
    optimizer.loadStateDict(saved);
  },
  (optimizer, other) => void optimizer.paramGroups[0]!.params.push(other),
  (optimizer, _, random) => {
    optimizer.paramGroups[0]!.lr = random.pick([
      Number.NaN,
      Infinity,
      -1,
      1e300,
      'x' as never,
      null as never,
    ]);
  },
];

function step(make: (params: Tensor[], random: Random) => AnyOptimizer): Target['call'] {
  return (args, random) => {
    const [params, others] = args as [Tensor[], Tensor[]];
    if (![params, others].every((list) => Array.isArray(list) && list.length > 0 && list.length < 9))
      return null;
    const leaves = params.map((param) =>
      param instanceof torch.Tensor && torch.isFloatingPoint(param)
        ? param.detach().requiresGrad_()
        : torch.ones([2, 2]).requiresGrad_(),
    );
    const optimizer = make(leaves, random);
    const giveGradients = () => {
      for (const leaf of leaves) leaf.grad = leaf.detach().clone();
    };
    giveGradients();
    optimizer.step();
    giveGradients();
    const other = random.pick(others);
    for (let times = random.int(1, 2); times > 0; times--) random.pick(tamperings)(optimizer, other, random);
    if (random.chance(0.2)) clipGradNorm_(leaves, 1);
    if (random.chance(0.2)) clipGradValue_(leaves, 1);
    optimizer.step();
    optimizer.step();
    return leaves;
  };
}

export const optimizerTargets: readonly Target[] = Object.entries(makers).map(([name, make]) => ({
  name: `optim.${name}.step`,
  schema: parseSchema(`optim.${name}.step(Tensor[] params, Tensor[] others) -> ()`),
  call: step(make),
}));
