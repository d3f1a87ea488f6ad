/** Syntax of references: strings that contain `${…}`, which may be nested. */

/** A sequence of strings and references; the content of a reference is a template, too. */
export type Template = readonly (string | { readonly reference: Template })[];

/** True if a value is a string that contains `${`, escaped or not. */
export function isInterpolation(value: unknown): value is string {
  return typeof value === 'string' && value.includes('${');
}

/**
 * Parses a string. `\${` stands for `${`, and `\\${` for a backslash before a reference; elsewhere a backslash is
 * literal.
 */
export function parseTemplate(text: string, fail: (message: string) => never): Template {
  return new Parser(text, fail).template();
}

class Parser {
  readonly #text: string;
  readonly #fail: (message: string) => never;
  #at = 0;

  constructor(text: string, fail: (message: string) => never) {
    this.#text = text;
    this.#fail = fail;
  }

  template(): Template {
    const parts: (string | { reference: Template })[] = [];
    let plain = '';
    const flush = () => {
      if (plain !== '') parts.push(plain);
      plain = '';
    };
    while (this.#at < this.#text.length) {
      const [slashes = ''] = /^\\*/.exec(this.#text.slice(this.#at)) ?? [];
      const opens = this.#text.startsWith('${', this.#at + slashes.length);
      if (!opens) {
        const length = Math.max(1, slashes.length);
        plain += this.#text.slice(this.#at, this.#at + length);
        this.#at += length;
        continue;
      }
      plain += '\\'.repeat(Math.floor(slashes.length / 2));
      this.#at += slashes.length + 2;
      if (slashes.length % 2 === 1) {
        plain += '${';
        continue;
      }
      flush();
      parts.push({ reference: this.#reference() });
    }
    flush();
    return parts;
  }

  /** Parses a reference up to its closing brace. */
  #reference(): Template {
    const parts: (string | { reference: Template })[] = [];
    let plain = '';
    let quote = '';
    let depth = 0;
    for (; this.#at < this.#text.length; this.#at++) {
      const sign = this.#text[this.#at]!;
      if (this.#text.startsWith('${', this.#at)) {
        if (plain !== '') parts.push(plain);
        plain = '';
        this.#at += 2;
        parts.push({ reference: this.#reference() });
        this.#at--;
        continue;
      }
      if (quote !== '') quote = sign === quote ? '' : quote;
      else if (sign === '"' || sign === "'") quote = sign;
      else if (sign === '{') depth++;
      else if (sign === '}' && depth-- === 0) {
        this.#at++;
        if (plain !== '') parts.push(plain);
        return parts;
      }
      plain += sign;
    }
    return this.#fail('a "${" is not closed by "}"; write "\\${" for the characters themselves');
  }
}

/** Splits the arguments of a resolver at commas outside quotes and brackets. */
export function argumentsOf(template: Template): Template[] {
  const found: (string | { readonly reference: Template })[][] = [[]];
  let quote = '';
  let depth = 0;
  for (const part of template) {
    if (typeof part === 'object') {
      found.at(-1)!.push(part);
      continue;
    }
    let plain = '';
    for (const sign of part) {
      if (quote !== '') quote = sign === quote ? '' : quote;
      else if (sign === '"' || sign === "'") quote = sign;
      else if ('[{('.includes(sign)) depth++;
      else if (']})'.includes(sign)) depth--;
      if (sign === ',' && quote === '' && depth === 0) {
        found.at(-1)!.push(plain);
        found.push([]);
        plain = '';
      } else plain += sign;
    }
    found.at(-1)!.push(plain);
  }
  return found;
}
