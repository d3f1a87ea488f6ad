/** A small line chart as SVG. */
import { strokeText, textWidth } from './stroke-text.js';

export interface ChartSeries {
  name: string;
  /** x and y of each point, in order of x; non-finite points are left out. */
  points: readonly (readonly [x: number, y: number])[];
}

/** A reference value, drawn as a dashed line. */
export interface ChartLevel {
  name: string;
  y: number;
}

export interface ChartOptions {
  title: string;
  series: readonly ChartSeries[];
  levels?: readonly ChartLevel[];
  xName?: string;
  /** Width and height in pixels, default 420 × 260. */
  width?: number;
  height?: number;
  /** Start the y axis at zero; default false: it spans the values. */
  fromZero?: boolean;
}

const colors = ['#2563a8', '#d1602b', '#3a8a4d', '#8a4fa3', '#b0902f', '#4a4a4a'];
const inkFaint = '#e4e4e0';
const ink = '#5b5b57';

/** Returns ticks in steps of 1, 2 or 5 times a power of ten that divide a range into at most `count` parts. */
export function niceTicks(low: number, high: number, count = 7): number[] {
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= raw * 0.999)!;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
}

/** Formats 1,200 as `1.2k`, with as many digits as a tick needs. */
export function tickLabel(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e6) return `${+(value / 1e6).toPrecision(3)}M`;
  if (size >= 1e4) return `${+(value / 1e3).toPrecision(3)}k`;
  return String(+value.toPrecision(3));
}

/**
 * Returns the chart as an SVG document.
 *
 * @example
 * ```ts
 * const svg = chartSvg({ title: 'loss', series: [{ name: 'train', points: [[0, 7], [1000, 5]] }] });
 * ```
 */
export function chartSvg(options: ChartOptions): string {
  const { title, width = 420, height = 260 } = options;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="${title}" width="${width}" height="${height}" ` +
    `viewBox="0 0 ${width} ${height}">${chartBody(options)}</svg>`
  );
}

/** Returns the chart's content, to be embedded in an SVG document. */
export function chartBody(options: ChartOptions): string {
  const { title, levels = [], xName = 'step', width = 420, height = 260, fromZero = false } = options;
  const series = options.series.map(({ name, points }) => ({
    name,
    points: points.filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y)),
  }));
  const plot = { left: 48, top: 46, right: width - 14, bottom: height - 34 };
  const xs = range(series.flatMap(({ points }) => points.map(([x]) => x)));
  const ys = range([...yValues(series), ...levels.map(({ y }) => y), ...(fromZero ? [0] : [])]);
  const pad = (ys.high - ys.low) * 0.04;
  const [bottom, top] = [fromZero && ys.low >= 0 ? 0 : ys.low - pad, ys.high + pad];
  const px = (x: number) => plot.left + ((x - xs.low) / (xs.high - xs.low)) * (plot.right - plot.left);
  const py = (y: number) => {
    const inside = Math.min(top, Math.max(bottom, y));
    return plot.bottom - ((inside - bottom) / (top - bottom)) * (plot.bottom - plot.top);
  };

  const parts = [`<rect width="${width}" height="${height}" fill="#fff"/>`];
  parts.push(strokeText(title, { x: 12, y: 19, height: 10, color: '#222' }));
  for (const tick of niceTicks(bottom, top)) {
    const y = py(tick).toFixed(1);
    parts.push(line(plot.left, y, plot.right, y, inkFaint));
    const place = { x: plot.left - 7, y: py(tick) + 4, anchor: 'end' } as const;
    parts.push(strokeText(tickLabel(tick), { ...place, height: 8, color: ink }));
  }
  for (const tick of niceTicks(xs.low, xs.high, 6)) {
    const place = { x: px(tick), y: plot.bottom + 15, anchor: 'middle' } as const;
    parts.push(strokeText(tickLabel(tick), { ...place, height: 8, color: ink }));
  }
  parts.push(line(plot.left, plot.bottom, plot.right, plot.bottom, '#b9b9b4'));
  parts.push(strokeText(xName, { x: plot.right, y: plot.bottom + 28, height: 8, anchor: 'end', color: ink }));
  for (const { name, y } of levels) {
    const at = py(y);
    const path = `M${plot.left} ${at.toFixed(1)}H${plot.right}`;
    parts.push(`<path d="${path}" stroke="#777" stroke-dasharray="5 4" fill="none"/>`);
    // Placed on the side of its line with fewer points of the curves' second halves.
    const ends = series.flatMap(({ points }) => points.slice(-Math.ceil(points.length / 2)));
    const over = ends.filter(([, value]) => value > y).length;
    const below = over * 2 >= ends.length && at + 13 < plot.bottom;
    const place = { x: plot.right, y: below ? at + 13 : at - 5, height: 7.5, anchor: 'end' } as const;
    parts.push(strokeText(name, { ...place, color: '#666' }));
  }
  series.forEach(({ points }, index) => {
    const path = points
      .map(([x, y], i) => `${i === 0 ? 'M' : 'L'}${px(x).toFixed(1)} ${py(y).toFixed(1)}`)
      .join('');
    const color = colors[index % colors.length];
    if (path)
      parts.push(
        `<path d="${path}" fill="none" stroke="${color}" stroke-width="1.8" stroke-linejoin="round"/>`,
      );
  });
  parts.push(legend(series.map(({ name }) => name)));
  return parts.join('');
}

/** Returns the series names in their lines' colours, below the title. */
function legend(names: readonly string[]): string {
  let x = 12;
  return names
    .map((name, index) => {
      const color = colors[index % colors.length]!;
      const key = `<path d="M${x} 32H${x + 14}" stroke="${color}" stroke-width="2"/>`;
      const label = strokeText(name, { x: x + 19, y: 36, height: 8, color });
      x += 19 + textWidth(name, 8) + 14;
      return key + label;
    })
    .join('');
}

/** Returns the values that determine the y axis; outliers (the first steps of a run) must not flatten the rest. */
function yValues(series: readonly ChartSeries[]): number[] {
  return series.flatMap(({ points }) => {
    const sorted = points.map(([, y]) => y).sort((a, b) => a - b);
    const cut = Math.floor(sorted.length * 0.02);
    return sorted.slice(cut, sorted.length - cut);
  });
}

function range(values: readonly number[]): { low: number; high: number } {
  if (values.length === 0) return { low: 0, high: 1 };
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  if (high > low) return { low, high };
  const half = Math.abs(low) * 0.1 || 1;
  return { low: low - half, high: high + half };
}

function line(x1: number, y1: number | string, x2: number, y2: number | string, color: string): string {
  return `<path d="M${x1} ${y1}L${x2} ${y2}" stroke="${color}" fill="none"/>`;
}
