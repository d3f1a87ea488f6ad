/** Mathematical reasons why some tensors influence nothing. */

export const keyBias =
  "an attention key's bias adds the same amount to all scores of a query, which softmax cancels";

export const biasBeforeNorm =
  'the group norm that follows has one channel to a group and subtracts its mean, and with it the bias; nothing else reads it';

export const beforeInitialization = 'the first training batch overwrites the value';
