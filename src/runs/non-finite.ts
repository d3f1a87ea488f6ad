import { listCheckpoints } from './checkpoint.js';
import { NonFiniteError } from './error.js';

/** Returns the error for NaN or infinity in training, with what to do. */
export function nonFiniteError(folder: string, what: string, learningRate: number): NonFiniteError {
  const last = listCheckpoints(folder).at(-1);
  const rate = `training.learningRate=${learningRate / 2}`;
  const way = last
    ? `The last good checkpoint is ${last.path}: resume the run from there with a lower learning rate, such as ${rate}`
    : 'No checkpoint has been written yet: check the weights that the run starts with';
  return new NonFiniteError(`${what}. ${way}`);
}
