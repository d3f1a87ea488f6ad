/**
 * Gives the realm `Symbol.dispose` where it has none: Node 20 and 22 add it to the main one only, and test runners make
 * others (vitest's vmThreads, Jest). Imported for that before classes that have such a method. The symbol is the one
 * that compilers fall back to for `using`.
 */
if ((Symbol as { dispose?: symbol }).dispose === undefined)
  Object.defineProperty(Symbol, 'dispose', { value: Symbol.for('Symbol.dispose') });
