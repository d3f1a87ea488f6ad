import { complex, Derived, fixed, leaf, type Samples, UNIT } from '../sample.js';

const image = (channels = 2, size = 3) => leaf([1, channels, size, size]);
const volume = (channels = 2, size = 2) => leaf([1, channels, size, size, size]);
const kernel = (shape: number[]) => leaf(shape, undefined, 1);
const bias = (size = 2) => leaf([size], undefined, 2);
const mean = () => fixed([0.1, 0.2], 'float64');
const variance = () => fixed([0.9, 1.2], 'float64');

// Recurrent layers of 3 inputs and 2 outputs: sequences of 2 steps, 1 sequence; packed as 2 sequences of 2 and 1.
const sequence = () => leaf([2, 1, 3]);
const packed = () => [leaf([3, 3]), fixed([2, 1])];
const state = (batch = 1, seed = 1) => leaf([1, batch, 2], undefined, seed);
const weights = (gates: number) => [
  leaf([gates * 2, 3], undefined, 4),
  leaf([gates * 2, 2], undefined, 5),
  leaf([gates * 2], undefined, 6),
  leaf([gates * 2], undefined, 7),
];
const whole = [true, 1, 0, false, false, false];
const parts = [true, 1, 0, false, false];

/** Samples of convolutions, normalisations, pooling, padding, resampling, embeddings and recurrent layers. */
export const layers: Samples = {
  convolution: () => [image(), kernel([2, 2, 2, 2]), bias(), [1, 1], [0, 0], [1, 1], false, [0, 0], 1],
  convolution_overrideable: () => [
    image(),
    kernel([2, 2, 2, 2]),
    bias(),
    [1, 1],
    [0, 0],
    [1, 1],
    false,
    [0, 0],
    1,
  ],
  mkldnn_convolution: () => [image(), kernel([2, 2, 2, 2]), bias(), [0, 0], [1, 1], [1, 1], 1],
  conv1d: () => [leaf([1, 2, 4]), kernel([2, 2, 2]), bias()],
  'conv1d.padding': () => [leaf([1, 2, 4]), kernel([2, 2, 3]), bias(), [1], 'same'],
  conv2d: () => [image(), kernel([2, 2, 2, 2]), bias()],
  'conv2d.padding': () => [image(), kernel([2, 2, 3, 3]), bias(), [1, 1], 'same'],
  conv3d: () => [volume(), kernel([2, 2, 2, 2, 2]), bias()],
  'conv3d.padding': () => [volume(), kernel([2, 2, 1, 1, 1]), bias(), [1, 1, 1], 'same'],
  conv_transpose1d: () => [leaf([1, 2, 3]), kernel([2, 2, 2]), bias()],
  'conv_transpose2d.input': () => [image(2, 2), kernel([2, 2, 2, 2]), bias()],
  'conv_transpose3d.input': () => [volume(2, 1), kernel([2, 2, 2, 2, 2]), bias()],
  conv_tbc: () => [leaf([3, 1, 2]), kernel([2, 2, 2]), bias()],
  conv_depthwise3d: () => [
    volume(),
    kernel([2, 1, 2, 2, 2]),
    [2, 2, 2],
    bias(),
    [1, 1, 1],
    [0, 0, 0],
    [1, 1, 1],
  ],
  thnn_conv2d: () => [image(), kernel([2, 2, 2, 2]), [2, 2], bias()],
  slow_conv3d: () => [volume(), kernel([2, 2, 2, 2, 2]), [2, 2, 2], bias()],
  slow_conv3d_forward: () => [volume(), kernel([2, 2, 2, 2, 2]), [2, 2, 2], bias(), [1, 1, 1], [0, 0, 0]],
  slow_conv_dilated2d: () => [image(), kernel([2, 2, 2, 2]), [2, 2], bias()],
  slow_conv_dilated3d: () => [volume(), kernel([2, 2, 2, 2, 2]), [2, 2, 2], bias()],
  slow_conv_transpose2d: () => [image(2, 2), kernel([2, 2, 2, 2]), [2, 2], bias()],
  slow_conv_transpose3d: () => [volume(2, 1), kernel([2, 2, 2, 2, 2]), [2, 2, 2], bias()],
  im2col: () => [image(), [2, 2], [1, 1], [0, 0], [1, 1]],
  col2im: () => [leaf([1, 8, 4]), [3, 3], [2, 2], [1, 1], [0, 0], [1, 1]],
  linear: () => [leaf([2, 3]), kernel([2, 3]), bias()],

  batch_norm: () => [image(), leaf([2], undefined, 1), bias(), mean(), variance(), true, 0.1, 1e-5, false],
  native_batch_norm: () => [image(), leaf([2], undefined, 1), bias(), mean(), variance(), true, 0.1, 1e-5],
  cudnn_batch_norm: () => [image(), leaf([2], undefined, 1), bias(), mean(), variance(), true, 0.1, 1e-5],
  miopen_batch_norm: () => [image(), leaf([2], undefined, 1), bias(), mean(), variance(), true, 0.1, 1e-5],
  instance_norm: () => [image(), leaf([2], undefined, 1), bias(), mean(), variance(), true, 0.1, 1e-5, false],
  batch_norm_update_stats: () => [image(), mean(), variance(), 0.1],
  layer_norm: () => [leaf([2, 3]), [3], leaf([3], undefined, 1), bias(3)],
  native_layer_norm: () => [leaf([2, 3]), [3], leaf([3], undefined, 1), bias(3), 1e-5],
  rms_norm: () => [leaf([2, 3]), [3], leaf([3], undefined, 1), 1e-5],
  group_norm: () => [image(4, 2), 2, leaf([4], undefined, 1), bias(4)],
  // Its second and third result, mean and reciprocal deviation, are for its own backward.
  native_group_norm: () => ({
    args: [image(4, 2), leaf([4], undefined, 1), bias(4), 1, 4, 4, 2, 1e-5],
    compare: ([result]) => result,
  }),
  native_norm: () => [sparse()],
  'native_norm.ScalarOpt_dim_dtype': () => [sparse(), 2, [], false, null],

  replication_pad1d: () => [leaf([2, 3]), [1, 2]],
  replication_pad2d: () => [image(), [1, 2, 2, 1]],
  replication_pad3d: () => [volume(), [1, 0, 0, 1, 1, 0]],
  reflection_pad1d: () => [leaf([2, 3]), [1, 2]],
  reflection_pad2d: () => [image(), [1, 2, 2, 1]],
  reflection_pad3d: () => [volume(), [1, 0, 0, 1, 1, 0]],
  pad: () => [image(), [1, 2, 0, 1]],
  constant_pad_nd: () => [image(), [1, 2, 0, 1], 0.5],
  'upsample_nearest1d.vec': () => [leaf([1, 2, 3]), [5], null],
  'upsample_linear1d.vec': () => [leaf([1, 2, 3]), [5], false, null],
  'upsample_nearest2d.vec': () => [image(), [5, 4], null],
  'upsample_bilinear2d.vec': () => [image(), [5, 4], false, null],
  'upsample_bicubic2d.vec': () => [image(), [5, 4], false, null],
  'upsample_nearest3d.vec': () => [volume(), [3, 3, 3], null],
  'upsample_trilinear3d.vec': () => [volume(), [3, 3, 3], false, null],
  fractional_max_pool2d: () => [
    image(2, 4),
    [2, 2],
    [2, 2],
    fixed(
      [
        [
          [0.3, 0.6],
          [0.5, 0.2],
        ],
      ],
      'float64',
    ),
  ],
  fractional_max_pool3d: () => [volume(1, 4), [2, 2, 2], [2, 2, 2], fixed([[[0.3, 0.6, 0.4]]], 'float64')],
  max_unpool2d: () => [
    leaf([1, 1, 2, 2]),
    fixed([
      [
        [
          [0, 3],
          [8, 10],
        ],
      ],
    ]),
    [4, 4],
  ],
  max_unpool3d: () => [leaf([1, 1, 1, 1, 2]), fixed([[[[[0, 7]]]]]), [2, 2, 4], [2, 2, 2], [0, 0, 0]],
  pixel_shuffle: () => [leaf([1, 4, 2, 2]), 2],
  pixel_unshuffle: () => [image(1, 4), 2],
  channel_shuffle: () => [image(4, 2), 2],
  native_channel_shuffle: () => [image(4, 2), 2],
  affine_grid_generator: () => [leaf([1, 2, 3]), [1, 1, 2, 2], false],
  grid_sampler: () => [image(), leaf([1, 2, 2, 2], [-0.6, 0.6], 1), 0, 0, false],
  grid_sampler_2d: () => [image(), leaf([1, 2, 2, 2], [-0.6, 0.6], 1), 0, 0, false],
  grid_sampler_3d: () => [volume(), leaf([1, 1, 2, 2, 3], [-0.4, 0.4], 1), 0, 0, false],

  embedding: () => [leaf([4, 2]), fixed([1, 3, 1])],
  embedding_renorm: () => [leaf([4, 2]), fixed([1, 3]), 0.5, 2],
  embedding_bag: () => [leaf([4, 2]), fixed([1, 3, 1, 0]), fixed([0, 2])],
  'embedding_bag.padding_idx': () => [
    leaf([4, 2]),
    fixed([1, 3, 1, 0]),
    fixed([0, 2]),
    false,
    0,
    false,
    null,
    false,
    -1,
  ],
  one_hot: () => [fixed([1, 0, 2]), 3],

  'lstm.input': () => [sequence(), [state(), state(1, 2)], weights(4), ...whole],
  'lstm.data': () => [...packed(), [state(2), state(2, 2)], weights(4), ...parts],
  'gru.input': () => [sequence(), state(), weights(3), ...whole],
  'gru.data': () => [...packed(), state(2), weights(3), ...parts],
  'rnn_tanh.input': () => [sequence(), state(), weights(1), ...whole],
  'rnn_tanh.data': () => [...packed(), state(2), weights(1), ...parts],
  'rnn_relu.input': () => [sequence(), state(), weights(1), ...whole],
  'rnn_relu.data': () => [...packed(), state(2), weights(1), ...parts],
  lstm_cell: () => [leaf([1, 3]), [leaf([1, 2], undefined, 1), leaf([1, 2], undefined, 2)], ...weights(4)],
  gru_cell: () => [leaf([1, 3]), leaf([1, 2], undefined, 1), ...weights(3)],
  rnn_tanh_cell: () => [leaf([1, 3]), leaf([1, 2], undefined, 1), ...weights(1)],
  rnn_relu_cell: () => [leaf([1, 3]), leaf([1, 2], undefined, 1), ...weights(1)],

  scaled_dot_product_attention: () => [
    leaf([1, 1, 2, 3]),
    leaf([1, 1, 4, 3], undefined, 1),
    leaf([1, 1, 4, 3], undefined, 2),
  ],
  rrelu_with_noise: () => [
    leaf([2, 3]),
    fixed(
      [
        [1, 1, 1],
        [1, 1, 1],
      ],
      'float64',
    ),
    0.1,
    0.3,
    false,
  ],
  glu: () => [leaf([2, 4]), 1],
  glu_jvp: () => [leaf([2, 2]), leaf([2, 4], undefined, 1), leaf([2, 4], undefined, 2), 1],
  prelu: () => [leaf([2, 3]), leaf([1], UNIT, 1)],

  stft: () => [leaf([8]), 4, 2, 4, window(), false, true, true],
  'stft.center': () => [leaf([8]), 4, 2, 4, window(), true, 'reflect', false, true, true],
  istft: () => [complex([3, 5]), 4, 2, 4, window()],
};

const window = () => fixed([0.5, 1, 1, 0.7], 'float64');
const sparse = () => new Derived(leaf([2, 3]), (x) => x.toSparse());
