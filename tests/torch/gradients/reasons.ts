/** Why an overload that autograd records does not agree with finite differences; by its name, else by libtorch's words. */
const byName: [RegExp, string][] = [
  [/^fake_quantize/, 'straight-through on purpose: the gradient passes over the rounding'],
  [/^logical_\w+_$/, 'writes truth values over its argument and leaves that its old history'],
  [/^chalf$/, 'the result is of 16 bits: finite differences vanish in its rounding'],
  [/^normal\./, "random numbers: libtorch takes the parameters' gradients to be zero"],
  [/^retain_grad$/, 'a flag of tensors with a history, no function of their elements'],
  [/^set_data$/, "exchanges the memory behind autograd's back, as it is meant to"],
  [
    /^(linalg_cond\.p_str|vander)$/,
    'libtorch overwrites what its own backward needs; it does so from Python too',
  ],
  [
    /^as_strided_scatter$/,
    "libtorch's formula loses the elements that are not overwritten; it does so from Python too",
  ],
];

const byWords: [RegExp, string][] = [
  [
    /derivative (for .*)?is not implemented|the derivative for .* is not implemented/,
    'libtorch has no formula',
  ],
];

/** Why an overload does not run on the sample at all. */
const refusals: [RegExp, string][] = [
  [/Could not run .* with arguments from the '\w*CPU' backend/, 'no kernel for such tensors on the CPU'],
  [/not implemented for 'Double'/, 'not for floating-point numbers'],
  [
    /expected scalar type \w+ but found Double|expects? (a )?float|got Double|works on Float|unsupported data type|scalar type Half/i,
    'not for float64',
  ],
  [/no longer supported/, 'libtorch no longer supports it'],
  [/cannot resize variables that require grad/, 'refuses tensors that ask for gradients'],
  [/does not support automatic differentiation/, 'refuses tensors that ask for gradients'],
  [/Cannot access accelerator/, 'needs a GPU'],
  [/convolution_overrideable not implemented/, 'for backends outside libtorch'],
];

function find(table: [RegExp, string][], text: string): string | undefined {
  return table.find(([pattern]) => pattern.test(text))?.[1];
}

/** The reason for a failed check; undefined for one that nobody has explained. */
export function excuse(name: string, words: string): string | undefined {
  return find(byName, name) ?? find(byWords, words);
}

/** The reason for a sample that does not run; undefined for one that nobody has explained. */
export function refusal(words: string): string | undefined {
  return find(refusals, words);
}
