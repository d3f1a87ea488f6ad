import test from 'ava';
import * as torch from '../../../src/torch/index.js';
import type { Tensor } from '../../../src/torch/index.js';
import * as optim from '../../../src/torch/optim/index.js';

type AnyOptimizer = optim.Optimizer<{ lr: number }>;

const makers: Record<string, (params: Tensor[]) => AnyOptimizer> = {
  SGD: (params) => new optim.SGD(params, { lr: 0.1, momentum: 0.9 }),
  Adam: (params) => new optim.Adam(params, { amsgrad: true }),
  'Adam, one by one': (params) => new optim.Adam(params, { fused: false }),
  AdamW: (params) => new optim.AdamW(params),
  Adamax: (params) => new optim.Adamax(params),
  NAdam: (params) => new optim.NAdam(params),
  RAdam: (params) => new optim.RAdam(params),
  RMSprop: (params) => new optim.RMSprop(params, { momentum: 0.9, centered: true }),
  Rprop: (params) => new optim.Rprop(params),
  ASGD: (params) => new optim.ASGD(params),
  Adagrad: (params) => new optim.Adagrad(params),
  Adadelta: (params) => new optim.Adadelta(params),
};

/** The tensors of the parameter's shape in a state. */
function tensorsOfShape(optimizer: AnyOptimizer, parameter: Tensor): [Record<string, Tensor>, string] {
  const state = optimizer.state.get(parameter)!;
  const name = Object.keys(state).find((key) => state[key]!.ndim > 0)!;
  return [state, name];
}

const tamperings: Record<string, (optimizer: AnyOptimizer, parameter: Tensor) => void> = {
  'a gradient that shrank': (_, parameter) => {
    parameter.grad!.data = torch.ones([3]);
  },
  'a gradient that grew': (_, parameter) => {
    parameter.grad!.data = torch.ones([3000, 4]);
  },
  'a state of another shape': (optimizer, parameter) => {
    const [state, name] = tensorsOfShape(optimizer, parameter);
    state[name] = torch.ones([3]);
  },
  'a state whose data changed': (optimizer, parameter) => {
    const [state, name] = tensorsOfShape(optimizer, parameter);
    state[name]!.data = torch.ones([1, 4]);
  },
  'a state that was disposed': (optimizer, parameter) => {
    const [state, name] = tensorsOfShape(optimizer, parameter);
    state[name]!.dispose();
  },
  'a parameter that was disposed': (_, parameter) => parameter.dispose(),
  'a parameter whose data changed': (_, parameter) => {
    parameter.data = torch.ones([300, 4]);
  },
  'a parameter that is no tensor': (optimizer) => {
    optimizer.paramGroups[0]!.params.push(undefined as never);
  },
  'a saved state of another shape': (optimizer) => {
    const saved = optimizer.stateDict();
    const state = saved.state[0]!;
    for (const name of Object.keys(state)) state[name] = torch.ones([7]);
    optimizer.loadStateDict(saved);
  },
  'a saved state that is no tensor': (optimizer) => {
    const saved = optimizer.stateDict();
    for (const name of Object.keys(saved.state[0]!)) saved.state[0]![name] = 'x' as never;
    optimizer.loadStateDict(saved);
  },
};

for (const [name, make] of Object.entries(makers)) {
  test(`${name}: what was tampered with between steps never reaches a kernel`, (t) => {
    for (const [what, tamper] of Object.entries(tamperings)) {
      const parameter = torch.randn([300, 2]).requiresGrad_();
      const other = torch.randn([5]).requiresGrad_();
      const optimizer = make([parameter, other]);
      const backward = () => parameter.square().sum().add(other.sum()).backward();
      backward();
      optimizer.step();
      const error = t.throws(
        () => {
          tamper(optimizer, parameter);
          optimizer.step();
        },
        { instanceOf: torch.TorchError },
        what,
      );
      t.truthy(error.operator, `${what}: ${error.message}`);
    }
  });
}

test('a state that is missing is named', (t) => {
  const parameter = torch.randn([3]).requiresGrad_();
  const optimizer = new optim.Adam([parameter], { fused: false });
  parameter.sum().backward();
  optimizer.step();
  delete (optimizer.state.get(parameter) as Record<string, Tensor>)['exp_avg'];
  t.throws(() => optimizer.step(), { instanceOf: torch.ArgumentError, message: /no 'exp_avg'/ });
});
