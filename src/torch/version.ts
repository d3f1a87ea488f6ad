import { libtorch } from './native/load.js';

/** Version of the libtorch that is loaded. */
export const version: string = libtorch.version;
