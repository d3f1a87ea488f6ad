const PACKED_MATRIX =
  'it reads packed matrices, and crashes on empty ones and on any that another kernel has packed';

/**
 * Overloads that the typed API calls only with `{ unsafe: true }`, each with the reason. Problems that can be detected
 * from the arguments are checked instead (checks/); listed here are overloads whose arguments say too little, or that
 * reach beyond the process. `callOperator` ignores this list.
 */
export const unsafeOperators: Readonly<Record<string, string>> = {
  'aten::from_file':
    'it maps a file, which it may create, and truncating that file while it is mapped kills the process',
  'aten::fbgemm_linear_quantize_weight': PACKED_MATRIX,
  'aten::fbgemm_pack_gemm_matrix_fp16': PACKED_MATRIX,
  'aten::to_mkldnn':
    'its result has no memory that other operators can read, and some crash on it; convert it back with toDense',
  'aten::choose_qparams_optimized':
    'it reads as many elements as its arguments say, and loops forever if it finds no bound',
  'aten::mkldnn_rnn_layer': 'it does not compare the sizes of weights and states with those given as numbers',
};
