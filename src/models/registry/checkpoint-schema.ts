import { kept } from '../../config/schema.js';

/** Settings of the reference's models about their checkpoints: kept in `config`, never acted on. */
export const checkpointSchema = {
  /** File with weights to begin from. */
  ckptPath: kept<string>(),
  /** Beginnings of keys that are left out of it. */
  ignoreKeys: kept<readonly string[]>(),
  /** The metric by which checkpoints were kept. */
  monitor: kept<string>(),
};
