// Operators come first: where a hand-written function has an operator's name, the explicit export below wins.
export * from './operators/index.js';
export { Tensor, type ToOptions } from './tensor.js';
export type { Elements, NestedArray } from './elements.js';
export * from './creation.js';
export * from './scope.js';
export * from './autograd.js';
export { customFunction, FunctionContext, type FunctionDefinition } from './custom-function.js';
export type { HookHandle } from './hooks.js';
export * from './device.js';
export * from './errors.js';
export { defaultGenerator, Generator, manualSeed } from './random.js';
export { describe } from './describe.js';
export { callOperator } from './operator.js';
export { setAt, slice, Slice, type Index } from './indexing.js';
export { complexScalar, ComplexScalar, floatScalar, FloatScalar, type Scalar } from './scalar.js';
export { isComplex, isDType, isFloatingPoint, itemSize, type DType, type TypedArray } from './dtype.js';
export { version } from './version.js';
