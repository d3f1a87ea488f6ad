/** A self-contained HTML page: images are embedded, and nothing is loaded from elsewhere. */
import { readFile } from 'node:fs/promises';
import { replaceFile } from '../runs/folder.js';

/** A row of a page's table: a metric and its value. */
export interface ReportRow {
  name: string;
  value: string;
  /** A value to compare with, or an explanation. */
  note?: string;
  /** True if the target is reached; undefined if there is no target. */
  reached?: boolean;
}

/** @deprecated The former name of {@link ReportRow}. */
export type Figure = ReportRow;

/** A small image in a gallery. */
export interface GalleryPicture {
  /** Bytes of the PNG file. */
  png: Uint8Array;
  caption: string;
  /** A second line. */
  note?: string;
  /** Address of the whole image, relative to the page. */
  link?: string;
  pixelated?: boolean;
}

export type PageBlock =
  | { kind: 'text'; text: string }
  | { kind: 'picture'; path: string; caption: string; pixelated?: boolean }
  | { kind: 'gallery'; pictures: readonly GalleryPicture[] }
  | { kind: 'charts'; svgs: readonly string[] }
  | { kind: 'figures'; figures: readonly ReportRow[] }
  | { kind: 'commands'; lines: readonly string[] }
  | { kind: 'details'; title: string; text: string };

export interface PageSection {
  title: string;
  blocks: readonly PageBlock[];
}

export interface Page {
  title: string;
  /** One or two sentences below the title. */
  lead: string;
  sections: readonly PageSection[];
  /** Seconds after which a browser reads the page again. Default: never. */
  refresh?: number;
}

const style = `
  :root { color-scheme: light; --ink: #24261f; --faint: #6d6f66; --line: #e3e3dc; --paper: #fbfbf8; --mark: #2563a8; }
  body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
  main { max-width: 920px; margin: 0 auto; padding: 40px 24px 80px; }
  h1 { font-size: 30px; line-height: 1.2; margin: 0 0 8px; font-weight: 650; }
  h2 { font-size: 20px; margin: 48px 0 12px; font-weight: 600; }
  .lead { color: var(--faint); font-size: 18px; margin: 0; max-width: 46em; }
  p { max-width: 46em; }
  figure { margin: 16px 0; }
  figure img { max-width: 100%; display: block; border-radius: 3px; }
  figure img.pixelated { image-rendering: pixelated; }
  figcaption { color: var(--faint); font-size: 14px; margin-top: 6px; }
  .gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(140px, 1fr)); gap: 16px; }
  .gallery figure { margin: 0; }
  .gallery img { width: 100%; }
  table { border-collapse: collapse; width: 100%; }
  td { border-top: 1px solid var(--line); padding: 8px 12px 8px 0; vertical-align: top; }
  td.value { font-variant-numeric: tabular-nums; white-space: nowrap; font-weight: 600; }
  td.note { color: var(--faint); font-size: 14px; }
  .yes { color: #2f7d43; } .no { color: #b4511f; }
  .charts { display: flex; flex-wrap: wrap; gap: 16px; }
  .charts svg { background: #fff; border: 1px solid var(--line); border-radius: 4px; max-width: 100%; height: auto; }
  pre { background: #f1f1eb; padding: 12px 16px; overflow-x: auto; font-size: 14px; line-height: 1.5; border-radius: 4px; }
  summary { cursor: pointer; color: var(--mark); }`;

/**
 * Writes the page; it appears under its name only when complete.
 *
 * @example
 * ```ts
 * const blocks = [{ kind: 'text' as const, text: 'It works.' }];
 * await writePage('page.html', { title: 'Report', lead: 'One run.', sections: [{ title: 'Result', blocks }] });
 * ```
 */
export async function writePage(path: string, page: Page): Promise<void> {
  const sections = await Promise.all(
    page.sections.map(async ({ title, blocks }) => {
      const body = await Promise.all(blocks.map(render));
      return `<section>\n<h2>${escape(title)}</h2>\n${body.join('\n')}\n</section>`;
    }),
  );
  const html = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
${page.refresh === undefined ? '' : `<meta http-equiv="refresh" content="${page.refresh}">\n`}<title>${escape(page.title)}</title>
<style>${style}
</style>
<main>
<h1>${escape(page.title)}</h1>
<p class="lead">${escape(page.lead)}</p>
${sections.join('\n')}
</main>
</html>
`;
  await replaceFile(path, html);
}

async function render(block: PageBlock): Promise<string> {
  switch (block.kind) {
    case 'text':
      return `<p>${escape(block.text)}</p>`;
    case 'picture': {
      const image = embedded(await readFile(block.path), block);
      return `<figure>${image}<figcaption>${escape(block.caption)}</figcaption></figure>`;
    }
    case 'gallery':
      return `<div class="gallery">${block.pictures.map(thumbnail).join('\n')}</div>`;
    case 'charts':
      return `<div class="charts">${block.svgs.join('\n')}</div>`;
    case 'figures':
      return `<table>${block.figures.map(row).join('\n')}</table>`;
    case 'commands':
      return `<pre>${block.lines.map(escape).join('\n')}</pre>`;
    case 'details':
      return `<details><summary>${escape(block.title)}</summary><pre>${escape(block.text)}</pre></details>`;
  }
}

function embedded(png: Uint8Array, { caption, pixelated }: { caption: string; pixelated?: boolean }): string {
  const look = pixelated ? ' class="pixelated"' : '';
  return `<img${look} alt="${escape(caption)}" src="data:image/png;base64,${Buffer.from(png).toString('base64')}">`;
}

function thumbnail(picture: GalleryPicture): string {
  const { png, caption, note, link } = picture;
  const image = embedded(png, picture);
  const shown = link === undefined ? image : `<a href="${escape(encodeURI(link))}">${image}</a>`;
  return `<figure>${shown}<figcaption>${escape(caption)}${note ? `<br>${escape(note)}` : ''}</figcaption></figure>`;
}

function row({ name, value, note = '', reached }: ReportRow): string {
  const mark =
    reached === undefined ? '' : reached ? ' <span class="yes">✓</span>' : ' <span class="no">✗</span>';
  return `<tr><td>${escape(name)}</td><td class="value">${escape(value)}${mark}</td><td class="note">${escape(note)}</td></tr>`;
}

function escape(text: string): string {
  const names: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  return text.replace(/[&<>"]/g, (sign) => names[sign]!);
}
