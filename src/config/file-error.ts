/**
 * Thrown if a configuration file cannot be read; the message begins with its name, and with the line if it is known.
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
  /** Name of the class, for programs that only see the name. */
  override name = 'ConfigFileError';
}
