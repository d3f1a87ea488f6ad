/** How a tensor's elements are stored. */
export type Layout =
  'strided' | 'sparse_coo' | 'sparse_csr' | 'sparse_csc' | 'sparse_bsr' | 'sparse_bsc' | 'mkldnn' | 'jagged';

/** The order of a dense tensor's dimensions in memory. */
export type MemoryFormat = 'contiguous_format' | 'preserve_format' | 'channels_last' | 'channels_last_3d';
