/** Conditions that a metric's value depends on besides the model. */

/** Conditions of a measurement: everything that would change the value if it were different. */
export type Protocol = Readonly<Record<string, string | number | boolean | null>>;
