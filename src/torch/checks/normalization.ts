/** Rules for batch and group norms, whose kernels do not check the lengths of statistics and weights. */
import { checkOverloads, type Rule } from '../core/checks.js';
import type { Tensor } from '../core/tensor.js';
import { number } from './given.js';

/** Statistics and weights of a batch norm are indexed by channel without a check of their length. */
const perChannel =
  (...names: string[]): Rule =>
  (given) => {
    const input = given('input') as Tensor;
    if (input.ndim < 2) return `'input' must have at least 2 dimensions, not ${input.ndim}`;
    const channels = input.shape[1]!;
    for (const name of names) {
      const one = (given(name) ?? null) as Tensor | null;
      if (one && (one.ndim !== 1 || one.shape[0] !== channels))
        return `'${name}' must have shape [${channels}], one element per channel, not [${one.shape.join(', ')}]`;
    }
    return null;
  };

checkOverloads(/^aten::native_batch_norm$/, perChannel('weight', 'bias', 'running_mean', 'running_var'));
checkOverloads(/^aten::batch_norm_update_stats$/, perChannel('running_mean', 'running_var'));

// In evaluation mode the running statistics are read even if they are missing.
checkOverloads(/^aten::native_batch_norm$/, (given) =>
  given('training') === false && !(given('running_mean') && given('running_var'))
    ? "'running_mean' and 'running_var' are required if 'training' is false"
    : null,
);

checkOverloads(/^aten::native_group_norm$/, (given) => {
  const [count = 0, batch = 0, channels = 0, rest = 0] = ['group', 'N', 'C', 'HxW'].map((name) =>
    number(given(name)),
  );
  if (count < 1) return `'group' must be at least 1, not ${count}`;
  if (batch < 0 || channels < 0 || rest < 0) return "'N', 'C' and 'HxW' must not be negative";
  const elements = (given('input') as Tensor).numel();
  return batch * channels * rest === elements
    ? null
    : `N · C · HxW must be the number of elements, ${elements}`;
});
