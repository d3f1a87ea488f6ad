import { testProp } from '@fast-check/ava';
import test from 'ava';
import fc from 'fast-check';
import { compareVersions, newestVersions } from '../../scripts/symbol-versions.js';

test('the newest version of each family in the output of objdump', (t) => {
  const text = `
0000000000000000      DF *UND*  0000000000000000 (GLIBC_2.2.5) memcpy
0000000000000000      DF *UND*  0000000000000000  GLIBC_2.14 memmove
0000000000000000      DF *UND*  0000000000000000 (GLIBCXX_3.4.21) _ZSt4cout
0000000000000000      DF *UND*  0000000000000000 (CXXABI_1.3.9) __cxa_throw
0000000000000000      DF *UND*  0000000000000000  Base        napi_create_object`;
  t.deepEqual(Object.fromEntries(newestVersions(text)), {
    CXXABI: '1.3.9',
    GLIBC: '2.14',
    GLIBCXX: '3.4.21',
  });
});

const version = fc.array(fc.nat(40), { minLength: 1, maxLength: 4 }).map((parts) => parts.join('.'));

testProp(
  'no version in the text is newer than the newest',
  [fc.array(version, { minLength: 1 })],
  (t, versions) => {
    const newest = newestVersions(versions.map((text) => `(GLIBC_${text}) f`).join('\n')).get('GLIBC') ?? '';
    t.true(versions.includes(newest));
    t.true(versions.every((text) => compareVersions(newest, text) >= 0));
  },
);
