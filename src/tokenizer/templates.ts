/** Ids of an image as text, the way language models that read images write them. */

/** Returns the text of a grid of ids [h, w]. */
type Template = (ids: ArrayLike<number>, grid: readonly [number, number]) => string;

/** Templates by the name of the model. To add one, add an entry here. */
const templates = {
  /**
   * BAAI's Emu3 (arXiv 2409.18869), as its processor writes an image: height and width, then a special token for each
   * id, a mark after each row, and marks for the ends of the frame and the image.
   */
  emu3: (ids, [height, width]) => {
    const row = (y: number) =>
      Array.from(
        { length: width },
        (_, x) => `<|visual token ${String(ids[y * width + x]).padStart(6, '0')}|>`,
      );
    const rows = Array.from({ length: height }, (_, y) => `${row(y).join('')}<|extra_200|>`);
    return `<|image start|>${height}*${width}<|image token|>${rows.join('')}<|extra_201|><|image end|>`;
  },
} satisfies Record<string, Template>;

export type TemplateName = keyof typeof templates;

/** Names of all templates. */
export const templateNames = Object.keys(templates) as TemplateName[];

/**
 * Returns the ids of an image as the text that a language model's tokenizer turns into its own tokens.
 *
 * @param ids row by row, [h·w], without an offset
 * @param grid rows and columns of ids
 *
 * @example
 * ```ts
 * console.log(tokenText([7, 8], [1, 2], 'emu3')); // <|image start|>1*2<|image token|><|visual token 000007|>…
 * ```
 */
export function tokenText(
  ids: ArrayLike<number>,
  grid: readonly [number, number],
  template: TemplateName,
): string {
  return templates[template](ids, grid);
}
