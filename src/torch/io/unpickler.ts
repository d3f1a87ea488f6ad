/**
 * A strict reader of Python's pickles, protocols 0 to 5. It is a stack machine that only builds values: nothing that a
 * pickle names is looked up, imported or called. Names that are not on the fixed list of constructors become inert
 * stand-ins that keep their name and arguments.
 */
import type { PickleInput } from './pickle-input.js';
import { PickleMachine } from './pickle-machine.js';
import type { UnpickleOptions } from './pickle-machine.js';
import { COST } from './pickle-stack.js';
import { PickledDict, PickledSet } from './pickle-values.js';
import type { Pickled } from './pickle-values.js';

const STOP = 0x2e;

/** Reads one pickle, up to its STOP, and leaves the input after it. */
export function unpickle(input: PickleInput, options: UnpickleOptions): Pickled {
  const machine = new PickleMachine(input, options);
  for (let opcode = machine.next(); opcode !== STOP; opcode = machine.next()) {
    const run = operations[opcode];
    if (run === undefined) {
      return machine.fail(`opcode 0x${opcode.toString(16).padStart(2, '0')} is not used by checkpoints`);
    }
    run(machine);
  }
  return machine.result();
}

type Operation = (machine: PickleMachine) => unknown;

const operations: readonly (Operation | undefined)[] = table({
  // Protocol marks, stack and memo
  '\x80': (m) => m.protocol(),
  '\x95': (m) => m.length64(),
  '(': (m) => m.mark(),
  '0': (m) => m.pop(),
  '1': (m) => m.takeMark(),
  '2': (m) => m.duplicate(),
  p: (m) => m.put(m.lineNumber()),
  q: (m) => m.put(m.unsigned(1)),
  r: (m) => m.put(m.unsigned(4)),
  '\x94': (m) => m.memoize(),
  g: (m) => m.get(m.lineNumber()),
  h: (m) => m.get(m.unsigned(1)),
  j: (m) => m.get(m.unsigned(4)),
  // Numbers, None and booleans
  N: (m) => m.push(null),
  '\x88': (m) => m.push(true),
  '\x89': (m) => m.push(false),
  I: (m) => m.pushDecimal(),
  L: (m) => m.pushDecimal(),
  J: (m) => m.push(m.signed32()),
  K: (m) => m.push(m.unsigned(1)),
  M: (m) => m.push(m.unsigned(2)),
  '\x8a': (m) => m.pushLong(m.unsigned(1)),
  '\x8b': (m) => m.pushLong(m.unsigned(4)),
  F: (m) => m.pushDecimalFloat(),
  G: (m) => m.push(m.float64()),
  // Strings and bytes
  S: (m) => m.pushQuoted(),
  T: (m) => m.pushByteString(m.unsigned(4)),
  U: (m) => m.pushByteString(m.unsigned(1)),
  V: (m) => m.pushRawUnicode(),
  X: (m) => m.pushText(m.unsigned(4)),
  '\x8c': (m) => m.pushText(m.unsigned(1)),
  '\x8d': (m) => m.pushText(m.length64()),
  B: (m) => m.pushBytes(m.unsigned(4)),
  C: (m) => m.pushBytes(m.unsigned(1)),
  '\x8e': (m) => m.pushBytes(m.length64()),
  '\x96': (m) => m.pushBytes(m.length64()),
  // Containers
  ']': (m) => m.push([], COST.container),
  '}': (m) => m.push(new PickledDict(), COST.container),
  ')': (m) => m.pushTuple(0),
  '\x85': (m) => m.pushTuple(1),
  '\x86': (m) => m.pushTuple(2),
  '\x87': (m) => m.pushTuple(3),
  '\x8f': (m) => m.push(new PickledSet([]), COST.container),
  l: (m) => m.listOfMark(),
  d: (m) => m.dictOfMark(),
  t: (m) => m.tupleOfMark(),
  '\x91': (m) => m.frozenSetOfMark(),
  a: (m) => m.append(),
  e: (m) => m.appendAll(),
  s: (m) => m.setItem(),
  u: (m) => m.setAll(),
  '\x90': (m) => m.addAll(),
  // Names, and opcodes that would call something.
  c: (m) => m.pushGlobal(),
  '\x93': (m) => m.pushStackGlobal(),
  R: (m) => m.reduce(),
  '\x81': (m) => m.reduce(),
  '\x92': (m) => m.reduceWithKeywords(),
  o: (m) => m.instanceOfMark(),
  i: (m) => m.instance(),
  b: (m) => m.build(),
  Q: (m) => m.persistent(),
});

function table(byCharacter: Readonly<Record<string, Operation>>): (Operation | undefined)[] {
  const byCode: (Operation | undefined)[] = Array.from({ length: 256 });
  for (const [character, operation] of Object.entries(byCharacter))
    byCode[character.charCodeAt(0)] = operation;
  return byCode;
}
