/**
 * The addon's information about a tensor, as `native.describe` leaves it at the start of the wire (native/storage.cc).
 */
import { native } from '../native/load.js';
import { translate } from './errors.js';

export const DTYPE = 0;
export const DEVICE_TYPE = 1;
export const DEVICE_INDEX = 2;
export const REQUIRES_GRAD = 3;
export const IS_LEAF = 4;
export const DIMENSIONS = 5;
/** Position of the sizes, one per dimension; as many strides follow, then the storage. */
export const SIZES = 6;
/** Offsets from {@link storageAt}. */
export const STORAGE_OFFSET = 0;
export const STORAGE_ADDRESS = 1;
export const STORAGE_BYTES = 2;
export const LAYOUT = 3;

/** Returns the position of the strides of a tensor with the given number of dimensions. */
export function stridesAt(dimensions: number): number {
  return SIZES + dimensions;
}

/** Returns the position of the storage's and the layout's fields. */
export function storageAt(dimensions: number): number {
  return SIZES + 2 * dimensions;
}

/** Fills the start of the wire with the addon's information about the tensor. @param property the one that is read */
export function look(tensor: { readonly handle: number }, property?: string): void {
  try {
    native.describe(tensor.handle);
  } catch (error) {
    throw translate(error, property);
  }
}
