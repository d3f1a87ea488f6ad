/** Stateless functions on tensors, under the names of torch.nn.functional in camelCase. */
export * from './functional/activations.js';
export * from './functional/layers.js';
export * from './functional/losses.js';
export * from './functional/margin-losses.js';
export * from './functional/pooling.js';
export * from './functional/resizing.js';
export * from './functional/vectors.js';
export * from './functional/windows.js';
