/**
 * `npm run test:long -- optimizer-states`: every optimizer and schedule of the fixtures runs half of its steps here, its
 * state is saved as a PyTorch file, and PyTorch goes on from it: parameters and learning rates must be those of a run that
 * was PyTorch's from the start, to 1e-10. TESSERA_PYTHON, else `python3`, has torch 2.13.0. The other direction, from files that
 * torch.save wrote, is in `npm test`.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { savePytorch } from '../../src/torch/io/index.js';
import * as optim from '../../src/torch/optim/index.js';
import * as optimizers from '../torch/optim/optimizer-cases.js';
import * as schedules from '../torch/optim/scheduler-cases.js';

const MEASURES = [5, 4, 4.1, 4.2, 3.99995, 4, 4, 4];

const python = process.env['TESSERA_PYTHON'] ?? 'python3';
const folder = mkdtempSync(join(tmpdir(), 'optimizer-states-'));
try {
  const states: Record<string, unknown> = {};
  for (const name of Object.keys(optimizers.fixture.cases)) {
    const parameters = optimizers.start();
    const optimizer = optimizers.make(name, parameters);
    optimizers.run(optimizer, parameters, 0, optimizers.fixture.half);
    states[name] = optim.pytorchState(optimizer.stateDict());
  }
  await savePytorch(join(folder, 'optimizers.pt'), states);

  const plans: Record<string, unknown> = {};
  for (const [name, make] of Object.entries(schedules.makes)) {
    const optimizer = schedules.optimizerFor(name);
    const scheduler = make(optimizer);
    for (const measure of MEASURES) {
      if (scheduler instanceof optim.ReduceLROnPlateau) scheduler.step(measure);
      else scheduler.step();
    }
    plans[name] = {
      scheduler: scheduler.stateDict(),
      optimizer: optim.pytorchState(optimizer.stateDict()),
    };
  }
  await savePytorch(join(folder, 'schedulers.pt'), plans);

  const side = fileURLToPath(new URL('optimizer_states.py', import.meta.url));
  const fixtures = fileURLToPath(new URL('../fixtures/', import.meta.url));
  const { status, error } = spawnSync(python, [side, folder, fixtures], { stdio: 'inherit' });
  if (error) console.error(`${python} does not run: ${error.message}`);
  process.exitCode = status === 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true });
}
