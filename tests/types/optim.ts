// Optimizers, schedules and their state. Never run: compiled by tests/types.test.ts.
import { nn, optim, type Tensor } from 'tessera-torch';
import { is, type Equal } from './equal.js';

const model = new nn.Linear(2, 3);
const adam = new optim.Adam(model.parameters(), { lr: 1e-3, betas: [0.9, 0.95], weightDecay: 0.1 });
new optim.SGD([{ params: [model.weight], momentum: 0.5 }, { params: [model.bias!] }], { lr: 0.1 });
// @ts-expect-error parameters come first
new optim.Adam({ lr: 1e-3 });
// @ts-expect-error the module's parameters, not the module
new optim.Adam(model);
// @ts-expect-error options in an object
new optim.Adam(model.parameters(), 1e-3);
// @ts-expect-error unknown option
new optim.Adam(model.parameters(), { learningRate: 1e-3 });
// @ts-expect-error camelCase
new optim.Adam(model.parameters(), { weight_decay: 0.1 });
// @ts-expect-error two betas
new optim.Adam(model.parameters(), { betas: [0.9] });
// @ts-expect-error momentum is SGD's, not Adam's
new optim.Adam(model.parameters(), { momentum: 0.9 });
// @ts-expect-error a rate is a number
new optim.SGD(model.parameters(), { lr: '0.1' });
// @ts-expect-error unknown setting of a group
new optim.SGD([{ params: [model.weight], learningRate: 0.5 }]);
// @ts-expect-error a group needs its parameters
new optim.SGD([{ lr: 0.5 }]);
// @ts-expect-error the base class is abstract
new optim.Optimizer(model.parameters(), {});

adam.paramGroups[0]!.lr = 1e-5;
// @ts-expect-error the groups stay the optimizer's own
adam.paramGroups = [];
// @ts-expect-error a rate is a number
adam.paramGroups[0]!.lr = '1e-5';
// @ts-expect-error SGD's setting
void adam.paramGroups[0]!.momentum;
is<Equal<ReturnType<typeof adam.step>, void>>(true);

const state = adam.stateDict();
is<Equal<typeof state, optim.OptimizerState>>(true);
is<Equal<(typeof state.state)[0], Record<string, Tensor>>>(true);
is<Equal<(typeof state.param_groups)[number]['params'], number[]>>(true);
adam.loadStateDict(state);
// @ts-expect-error a state dict has groups
adam.loadStateDict({ state: {} });
// @ts-expect-error a module's state is no optimizer's
adam.loadStateDict(model.stateDict());

const schedule = new optim.StepLR(adam, 10, { gamma: 0.5 });
is<Equal<typeof schedule.lastLr, number[]>>(true);
// @ts-expect-error the optimizer comes first
new optim.StepLR(10);
// @ts-expect-error a schedule is of an optimizer
new optim.StepLR(model, 10);
// @ts-expect-error unknown option
new optim.StepLR(adam, 10, { decay: 0.5 });
new optim.LambdaLR(adam, (epoch) => 0.95 ** epoch);
// @ts-expect-error a factor is a number
new optim.LambdaLR(adam, () => 'half');
new optim.ReduceLROnPlateau(adam, { mode: 'max' });
// @ts-expect-error min or max
new optim.ReduceLROnPlateau(adam, { mode: 'lowest' });
