import { translate } from './errors.js';

/** Calls the addon. @throws what it throws, as {@link translate} returns it */
export function translated<T>(call: () => T, operator?: string, describeArguments?: () => string): T {
  try {
    return call();
  } catch (error) {
    throw translate(error, operator, describeArguments);
  }
}
