/** A configuration file that cannot be read; the message begins with its name, and the line where there is one. */
export class ConfigFileError extends TypeError {
  /** The class's name, for programs that see only that. */
  override name = 'ConfigFileError';
}
