import { kept } from '../../config/schema.js';

/** Checkpoint settings of the reference's models: stored in `config`, but without effect. */
export const checkpointSchema = {
  /** File with initial weights. */
  ckptPath: kept<string>(),
  /** Prefixes of keys to skip in that file. */
  ignoreKeys: kept<readonly string[]>(),
  /** Metric by which checkpoints were selected. */
  monitor: kept<string>(),
};
