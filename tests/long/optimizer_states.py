"""The Python side of optimizer-states.ts: goes on in PyTorch from state dicts that this project wrote.

    python optimizer_states.py FOLDER FIXTURES

FOLDER holds optimizers.pt and schedulers.pt: by the names of the cases in FIXTURES' optimizers.json and schedulers.json,
the states after half of the steps. Prints a line a case, and exits with 1 where one differs from PyTorch's own run.
"""
import json
import pathlib
import sys
import warnings

import torch

warnings.simplefilter('ignore')
folder, fixtures = map(pathlib.Path, sys.argv[1:])
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / 'fixtures' / 'make'))
import schedulers  # noqa: E402

wrong = 0


def report(name, error):
    global wrong
    wrong += not error < 1e-10
    print(f"{'ok   ' if error < 1e-10 else 'WRONG'} {name}: {error:.1e}")


def float64(data):
    return torch.tensor(data, dtype=torch.float64)


expected = json.loads((fixtures / 'optimizers.json').read_text())
states = torch.load(folder / 'optimizers.pt', weights_only=True)
for name, case in expected['cases'].items():
    parameters = [torch.nn.Parameter(float64(p)) for p in case['half']['parameters']]
    groups = [{'params': parameters[:1]}, {'params': parameters[1:]}]
    # Another learning rate, to see that the state's is taken.
    optimizer = getattr(torch.optim, name.split()[0])(groups, **{**case['options'], 'lr': 123.0})
    optimizer.load_state_dict(states[name])
    for step in range(expected['half'], len(expected['grads'])):
        first, second = expected['grads'][step]
        parameters[0].grad = float64(first)
        parameters[1].grad = float64(second)
        optimizer.step()
    error = 0.0
    for found, wanted in zip(parameters, case['parameters']):
        wanted = float64(wanted)
        error = max(error, ((found - wanted).abs().max() / wanted.abs().max().clamp(min=1)).item())
    report(name, error)

text = (fixtures / 'schedulers.json').read_text()
expected = json.loads(text.replace('"-inf"', '-Infinity').replace('"inf"', 'Infinity'))
states = torch.load(folder / 'schedulers.pt', weights_only=True)
for name, case in expected['cases'].items():
    optimizer = schedulers.optimizer_for(name)
    scheduler = schedulers.CASES[name](optimizer)
    scheduler.load_state_dict(states[name]['scheduler'])
    optimizer.load_state_dict(states[name]['optimizer'])
    error = 0.0
    for step in range(expected['half'], len(case['momentum'])):
        optimizer.step()
        scheduler.step(*([expected['measures'][step]] if 'Plateau' in name else []))
        for found, wanted in zip(schedulers.rates(optimizer), case['lr'][step + 1]):
            error = max(error, abs(found - wanted) / max(1, abs(wanted)))
    report(name, error)

print(f'{wrong} wrong')
sys.exit(1 if wrong else 0)
