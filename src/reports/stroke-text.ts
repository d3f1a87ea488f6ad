/**
 * Letters as pen strokes, for charts that are converted to PNG: without system fonts (in a slim container), the
 * renderer silently omits `<text>`.
 */

/** Width and SVG path of each character; capitals extend from y 0 to the baseline at y 6, small letters from y 2. */
type Glyph = readonly [width: number, path: string];

const bowl = 'M3.6 4Q3.6 2 1.8 2Q0 2 0 4Q0 6 1.8 6Q3.6 6 3.6 4';

const glyphs: Readonly<Record<string, Glyph>> = {
  '0': [3.8, 'M0 2Q0 0 1.9 0Q3.8 0 3.8 2V4Q3.8 6 1.9 6Q0 6 0 4Z'],
  '1': [2, 'M.3 1.3L2 0V6'],
  '2': [3.8, 'M.1 1.6Q.1 0 1.9 0Q3.8 0 3.8 1.6Q3.8 2.7 2.6 3.7L0 6H3.8'],
  '3': [3.8, 'M.2.9Q.8 0 1.9 0Q3.6 0 3.6 1.4Q3.6 2.8 1.7 2.8Q3.8 2.8 3.8 4.4Q3.8 6 1.9 6Q.5 6 0 4.9'],
  '4': [4, 'M3 6V0L0 4.3H4'],
  '5': [3.8, 'M3.6 0H.6L.3 2.8Q1 2.2 1.9 2.2Q3.8 2.2 3.8 4.1Q3.8 6 1.9 6Q.5 6 0 5'],
  '6': [3.8, 'M3.4.5Q2.9 0 2.1 0Q0 0 0 3.4V4.2Q0 6 1.9 6Q3.8 6 3.8 4.2Q3.8 2.5 1.9 2.5Q.3 2.5 0 4'],
  '7': [3.8, 'M0 0H3.8L1.5 6'],
  '8': [
    3.8,
    'M1.9 2.8Q.3 2.8.3 1.4Q.3 0 1.9 0Q3.5 0 3.5 1.4Q3.5 2.8 1.9 2.8Q0 2.8 0 4.4Q0 6 1.9 6Q3.8 6 3.8 4.4Q3.8 2.8 1.9 2.8',
  ],
  '9': [3.8, 'M.4 5.5Q1 6 1.7 6Q3.8 6 3.8 2.6V1.8Q3.8 0 1.9 0Q0 0 0 1.8Q0 3.5 1.9 3.5Q3.5 3.5 3.8 2'],
  a: [3.6, `M3.6 2V6${bowl}`],
  b: [3.6, `M0 0V6${bowl}`],
  c: [3.3, 'M3.3 2.7Q2.8 2 1.8 2Q0 2 0 4Q0 6 1.8 6Q2.8 6 3.3 5.3'],
  d: [3.6, `M3.6 0V6${bowl}`],
  e: [3.6, 'M0 4H3.6Q3.6 2 1.8 2Q0 2 0 4Q0 6 1.9 6Q2.9 6 3.4 5.3'],
  f: [2.4, 'M2.5.1Q1-.2 1 1.4V6M0 2H2.3'],
  g: [3.6, `M3.6 2V6.4Q3.6 8 1.8 8Q.7 8 .3 7.4${bowl}`],
  h: [3.4, 'M0 0V6M0 3.6Q.4 2 1.9 2Q3.4 2 3.4 3.6V6'],
  i: [0.6, 'M.3 2V6M.3.4V.6'],
  j: [1, 'M.9 2V6.8Q.9 8 0 8M.9.4V.6'],
  k: [3.2, 'M0 0V6M3 2L0 4.4M1.1 3.6L3.2 6'],
  l: [0.6, 'M.3 0V6'],
  m: [5.2, 'M0 2V6M0 3.5Q.3 2 1.4 2Q2.6 2 2.6 3.5V6M2.6 3.5Q2.9 2 4 2Q5.2 2 5.2 3.5V6'],
  n: [3.4, 'M0 2V6M0 3.6Q.4 2 1.9 2Q3.4 2 3.4 3.6V6'],
  o: [3.8, 'M1.9 2Q0 2 0 4Q0 6 1.9 6Q3.8 6 3.8 4Q3.8 2 1.9 2'],
  p: [3.6, `M0 2V8${bowl}`],
  q: [3.6, `M3.6 2V8${bowl}`],
  r: [2.1, 'M0 2V6M0 3.8Q.3 2 2.1 2.1'],
  s: [3.2, 'M3 2.6Q2.5 2 1.6 2Q.2 2 .2 3Q.2 3.8 1.6 4Q3.2 4.2 3.2 5Q3.2 6 1.6 6Q.5 6 0 5.3'],
  t: [2.4, 'M1 .6V4.8Q1 6 2.4 5.9M0 2H2.3'],
  u: [3.4, 'M0 2V4.4Q0 6 1.6 6Q3.1 6 3.4 4.4M3.4 2V6'],
  v: [3.4, 'M0 2L1.7 6L3.4 2'],
  w: [5.2, 'M0 2L1.3 6L2.6 2L3.9 6L5.2 2'],
  x: [3.4, 'M0 2L3.4 6M3.4 2L0 6'],
  y: [3.4, 'M0 2L1.7 6M3.4 2L1.7 6L1 7.5Q.7 8 0 8'],
  z: [3.2, 'M0 2H3.2L0 6H3.2'],
  B: [3.8, 'M0 0V6H2Q3.8 6 3.8 4.4Q3.8 2.9 2 2.9H0M2 2.9Q3.4 2.9 3.4 1.4Q3.4 0 2 0H0'],
  M: [4.8, 'M0 6V0L2.4 4L4.8 0V6'],
  N: [4, 'M0 6V0L4 6V0'],
  P: [3.8, 'M0 6V0H2Q3.8 0 3.8 1.6Q3.8 3.2 2 3.2H0'],
  R: [3.9, 'M0 6V0H2Q3.8 0 3.8 1.6Q3.8 3.2 2 3.2H0M2 3.2L3.9 6'],
  S: [3.9, 'M3.7 1Q3.1 0 1.9 0Q.2 0 .2 1.5Q.2 2.6 1.9 3Q3.9 3.4 3.9 4.5Q3.9 6 2 6Q.6 6 0 4.9'],
  '.': [0.6, 'M.3 5.7V6'],
  ',': [0.8, 'M.6 5.6V6L.1 7'],
  ':': [0.6, 'M.3 2.6V2.9M.3 5.7V6'],
  '-': [2, 'M0 3.9H2'],
  '–': [3, 'M0 3.9H3'],
  '+': [3.2, 'M0 3.9H3.2M1.6 2.3V5.5'],
  '=': [3, 'M0 3.2H3M0 4.7H3'],
  '/': [2.4, 'M0 7L2.4-.6'],
  '%': [
    4.6,
    'M.6 6L4 0M.9 0Q0 0 0 1Q0 2 .9 2Q1.8 2 1.8 1Q1.8 0 .9 0M3.7 4Q2.8 4 2.8 5Q2.8 6 3.7 6Q4.6 6 4.6 5Q4.6 4 3.7 4',
  ],
  '(': [1.4, 'M1.4-.6Q-1 3.2 1.4 7'],
  ')': [1.4, 'M0-.6Q2.4 3.2 0 7'],
  '×': [2.8, 'M0 2.6L2.8 5.4M2.8 2.6L0 5.4'],
};

const spacing = 1.5;
const space = 1.8;

/** True if every character of a text is a space or has a glyph. */
export function canDraw(text: string): boolean {
  return Array.from(text).every((sign) => sign === ' ' || glyphs[sign] !== undefined);
}

/**
 * Returns the width of a line of text whose capitals are `height` pixels tall. Characters without a glyph count as a
 * space.
 */
export function textWidth(text: string, height: number): number {
  const units = Array.from(text).reduce(
    (sum, sign) => sum + (glyphs[sign]?.[0] ?? space) + spacing,
    -spacing,
  );
  return (Math.max(0, units) * height) / 6;
}

export interface TextPlace {
  /** Anchor position in pixels; `y` is the baseline. */
  x: number;
  y: number;
  /** Height of a capital, default 9. */
  height?: number;
  anchor?: 'start' | 'middle' | 'end';
  color?: string;
}

/** Returns a line of text as an SVG path. */
export function strokeText(
  text: string,
  { x, y, height = 9, anchor = 'start', color = '#333' }: TextPlace,
): string {
  const scale = height / 6;
  const shift = anchor === 'start' ? 0 : textWidth(text, height) * (anchor === 'end' ? 1 : 0.5);
  let pen = 0;
  const parts: string[] = [];
  for (const sign of text) {
    const [width, path] = glyphs[sign] ?? [space, ''];
    if (path) parts.push(`<path transform="translate(${pen.toFixed(2)})" d="${path}"/>`);
    pen += width + spacing;
  }
  const place = `translate(${(x - shift).toFixed(1)} ${(y - height).toFixed(1)}) scale(${scale.toFixed(3)})`;
  return (
    `<g transform="${place}" fill="none" stroke="${color}" stroke-width="0.85" ` +
    `stroke-linecap="round" stroke-linejoin="round">${parts.join('')}</g>`
  );
}
