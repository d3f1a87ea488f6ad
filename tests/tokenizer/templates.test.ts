import test from 'ava';
import { tokenText } from '../../src/tokenizer/templates.js';

test('emu3: height and width, special tokens row by row, and the marks of rows, frame and image', (t) => {
  t.is(
    tokenText([0, 12, 32767, 4, 5, 6], [2, 3], 'emu3'),
    '<|image start|>2*3<|image token|>' +
      '<|visual token 000000|><|visual token 000012|><|visual token 032767|><|extra_200|>' +
      '<|visual token 000004|><|visual token 000005|><|visual token 000006|><|extra_200|>' +
      '<|extra_201|><|image end|>',
  );
});
