/**
 * A configuration file that cannot be read; the message begins with its name, and the line where there is one.
 *
 * @example
 * ```ts
 * try {
 *   await readConfig('model.yaml');
 * } catch (error) {
 *   if (error instanceof ConfigFileError) console.error(error.message); // model.yaml: line 3: …
 * }
 * ```
 */
export class ConfigFileError extends TypeError {
  /** The class's name, for programs that see only that. */
  override name = 'ConfigFileError';
}
