"""The Python side of checkpoints-full-size.ts: makes the file, and loads it with torch.load and load_state_dict.

    python checkpoints_full_size.py make KEYS.json FILE
    python checkpoints_full_size.py load FILE [mmap]
"""
import json
import resource
import sys
import time

import torch


def make(keys, path):
    torch.manual_seed(0)
    # A line of random numbers repeated is as slow to read as any other.
    line = torch.rand(1 << 22)
    state = {}
    for key, shape, dtype in json.load(open(keys)):
        tensor = torch.empty(shape, dtype=getattr(torch, dtype))
        flat = tensor.view(-1)
        for start in range(0, flat.numel(), line.numel()):
            part = flat[start:start + line.numel()]
            part.copy_(line[:part.numel()])
        state[key] = tensor
    torch.save({'state_dict': state, 'epoch': 1, 'global_step': 2}, path)


def module_of(state):
    """Modules with these parameters, uninitialised."""
    root = torch.nn.Module()
    for key, tensor in state.items():
        *path, name = key.split('.')
        module = root
        for part in path:
            if part not in module._modules:
                module.add_module(part, torch.nn.Module())
            module = module._modules[part]
        empty = torch.empty(tensor.shape, dtype=tensor.dtype)
        if tensor.is_floating_point():
            module.register_parameter(name, torch.nn.Parameter(empty))
        else:
            module.register_buffer(name, empty)
    return root


def load(path, mmap):
    # Mapped, so that making the model reads nothing.
    model = module_of(torch.load(path, map_location='cpu', mmap=True, weights_only=True)['state_dict'])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    state = torch.load(path, map_location='cpu', mmap=mmap, weights_only=True)['state_dict']
    model.load_state_dict(state)
    seconds = time.perf_counter() - start
    bytes_ = sum(t.numel() * t.element_size() for t in model.state_dict().values())
    print(json.dumps({'seconds': seconds, 'peak': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
                      'before': before * 1024, 'model': bytes_}))


if sys.argv[1] == 'make':
    make(*sys.argv[2:])
else:
    load(sys.argv[2], sys.argv[3:] == ['mmap'])
