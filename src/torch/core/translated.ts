import { named, translate } from './errors.js';

/** Calls the addon. @throws what it throws, as {@link translate} returns it */
export function translated<T>(call: () => T, operator?: string, describeArguments?: () => string): T {
  try {
    return call();
  } catch (error) {
    throw translate(error, operator, describeArguments);
  }
}

/** Calls a function whose errors do not know the operator, and adds it to them. */
export function naming<T>(operator: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw named(error, operator);
  }
}
