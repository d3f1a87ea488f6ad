const PACKED_MATRIX =
  'it reads packed matrices, and crashes on empty ones and on any that another kernel has packed';

/**
 * Overloads that the typed API calls only with `{ unsafe: true }`, each with the reason. What can be told from the
 * arguments is checked instead (checks/); here stand those whose arguments tell too little, or that reach
 * beyond the process. `callOperator` does not look here.
 */
export const unsafeOperators: Readonly<Record<string, string>> = {
  'aten::from_file':
    'it maps a file, which it may create, and whoever shortens that file meanwhile ends this process',
  'aten::fbgemm_linear_quantize_weight': PACKED_MATRIX,
  'aten::fbgemm_pack_gemm_matrix_fp16': PACKED_MATRIX,
  'aten::to_mkldnn':
    'its result has no memory that other operators could read, and some crash for not asking; use toDense for a way back',
  'aten::choose_qparams_optimized':
    'it reads as many elements as it is told, and searches for ever where it finds no bound',
  'aten::mkldnn_rnn_layer':
    'it does not compare the sizes of weights and states with those it is given in numbers',
};
