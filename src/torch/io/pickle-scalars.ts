/** The opcodes of pickles that push a text, bytes or a number. */
import { constants } from 'node:buffer';
import { COST, PickleStack } from './pickle-stack.js';

/** Longest integer, in bytes and in digits: longer ones are an attack or an accident. */
const MAX_INTEGER_BYTES = 2 ** 16;
const MAX_DIGITS = 3 * MAX_INTEGER_BYTES;

export class PickleScalars extends PickleStack {
  #bytes(length: number): Buffer {
    const bytes = this.input.take(length);
    this.spend(COST.small + 2 * length);
    return bytes;
  }

  #textBytes(length: number): Buffer {
    if (length > constants.MAX_STRING_LENGTH) this.exceeded(`a string claims ${length} bytes`);
    return this.#bytes(length);
  }

  pushText(length: number): void {
    // Lone surrogates, which Python allows, become replacement characters.
    this.push(this.#textBytes(length).toString('utf8'));
  }

  /** Reads a string of Python 2: text if it is UTF-8, otherwise its bytes as Latin-1 characters. */
  pushByteString(length: number): void {
    const bytes = this.#textBytes(length);
    const text = bytes.toString('utf8');
    this.push(text.includes('\ufffd') ? bytes.toString('latin1') : text);
  }

  pushBytes(length: number): void {
    this.push(Uint8Array.from(this.#bytes(length)));
  }

  pushLong(length: number): void {
    if (length > MAX_INTEGER_BYTES) {
      this.exceeded(`an integer claims ${length} bytes`);
    }
    const hex = Buffer.from(this.input.take(length)).reverse().toString('hex');
    const value = length === 0 ? 0n : BigInt.asIntN(8 * length, BigInt(`0x${hex}`));
    this.push(plainInteger(value), COST.small + length);
  }

  pushDecimal(): void {
    const text = this.line(MAX_DIGITS);
    if (text === '00' || text === '01') return this.push(text === '01');
    if (!/^[+-]?\d+L?$/.test(text)) this.fail(`${JSON.stringify(text.slice(0, 40))} is not an integer`);
    this.push(plainInteger(BigInt(text.replace(/^\+|L$/g, ''))), COST.small + text.length);
  }

  pushDecimalFloat(): void {
    const text = this.line();
    const special: Record<string, number> = { inf: Infinity, '-inf': -Infinity, nan: NaN, '-nan': NaN };
    const value = special[text] ?? (/^[-+.\deE]+$/.test(text) ? Number(text) : undefined);
    if (value === undefined || (Number.isNaN(value) && !text.includes('nan'))) {
      this.fail(`${JSON.stringify(text.slice(0, 40))} is not a number`);
    }
    this.push(value);
  }

  /** Reads a quoted string of protocol 0. */
  pushQuoted(): void {
    const text = this.input.line(constants.MAX_STRING_LENGTH).toString('latin1').trimEnd();
    const quote = text[0];
    if (text.length < 2 || (quote !== "'" && quote !== '"') || text.at(-1) !== quote) {
      this.fail('a string has no quotes');
    }
    this.push(unescape(text.slice(1, -1)), COST.small + 2 * text.length);
  }

  pushRawUnicode(): void {
    const text = this.input.line(constants.MAX_STRING_LENGTH).toString('latin1');
    const decoded = text.replace(/\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})/g, (whole, short, long) => {
      const code = parseInt((short ?? long) as string, 16);
      return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
    });
    this.push(decoded, COST.small + 2 * text.length);
  }
}

function plainInteger(value: bigint): number | bigint {
  const small = value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER);
  return small ? Number(value) : value;
}

function unescape(text: string): string {
  const simple: Record<string, string> = { n: '\n', t: '\t', r: '\r', '\\': '\\', "'": "'", '"': '"' };
  return text.replace(/\\(x[0-9a-fA-F]{2}|[^])/g, (whole: string, code: string) =>
    code.length === 3 ? String.fromCharCode(parseInt(code.slice(1), 16)) : (simple[code] ?? whole),
  );
}
