/**
 * Defines `Symbol.dispose` in the current realm if it is missing: Node 20 and 22 add it to the main realm only, and
 * test runners create others (vitest's vmThreads, Jest). Imported before classes that define such a method. The symbol
 * is the one that compilers fall back to for `using`.
 */
if ((Symbol as { dispose?: symbol }).dispose === undefined)
  Object.defineProperty(Symbol, 'dispose', { value: Symbol.for('Symbol.dispose') });
