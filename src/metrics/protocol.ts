/** What a measured value depends on besides the model. */

/** How something was measured: whatever would give another value if it were different. */
export type Protocol = Readonly<Record<string, string | number | boolean | null>>;
