/**
 * Globs: what users and ignore files write, against cases of hand and against a slow matcher that
 * tries everything; and that no pattern takes more than its length times that of the path.
 */
import test from 'ava';
import fc from 'fast-check';
import { Glob, isGlob } from '../../../../lib/pure/paths/glob.js';
import { IgnorePatterns } from '../../../../lib/pure/paths/ignore-patterns.js';

const user = (pattern: string): Glob => new Glob(pattern, { braces: true });

test('globs: stay within a part unless they say **', (t) => {
  const cases: [string, string[], string[]][] = [
    ['*.pt', ['a.pt', '.pt'], ['d/a.pt', 'a.ptx']],
    ['a*', ['a', 'ab'], ['a/b', 'b']],
    ['a*b*c', ['abc', 'axbxc'], ['ab/c', 'acb']],
    ['**/*.pt', ['a.pt', 'd/a.pt', 'd/e/a.pt'], ['a.npy']],
    ['d/**', ['d/a', 'd/e/f'], ['e/d/a', 'd']],
    ['a/**/b', ['a/b', 'a/x/b', 'a/x/y/b'], ['ab', 'a/xb']],
    ['a**b', ['ab', 'axb'], ['a/b']],
    ['a?.bin', ['ab.bin', 'a😀.bin'], ['a.bin', 'a/.bin', 'abc.bin']],
    ['[ab]-[!0].x', ['a-1.x'], ['c-1.x', 'a-0.x', 'a-/.x']],
    ['[[:digit:]]', ['7'], ['x']],
    ['[a-c😀]', ['b', '😀'], ['d', '-']],
    ['{a,b/c}.x', ['a.x', 'b/c.x'], ['ab.x', 'b.x']],
    ['{a,{b,c}d}{,e}', ['a', 'ae', 'bd', 'cde'], ['b', 'd', 'e', '']],
    ['{**,a}/x', ['x/x', 'a/x', 'b/c/x'], ['x']],
    ['a+(b)$.x', ['a+(b)$.x'], ['ab.x']],
    ['a{b', ['a{b'], ['ab']],
    ['a}{b,c', ['a}{b,c'], ['ab']],
    ['{a}', ['{a}'], ['a']],
    ['a[b', ['a[b'], ['ab']],
    ['\\*\\{a,b}', ['*{a,b}'], ['x{a,b}', '*a']],
    ['a\\', ['a\\'], ['a']],
    ['', [''], ['a']],
  ];
  for (const [pattern, yes, no] of cases) {
    for (const path of yes) t.true(user(pattern).matches(path), `${pattern} ${path}`);
    for (const path of no) t.false(user(pattern).matches(path), `${pattern} ${path}`);
  }
  t.deepEqual(['a', 'a*', 'a?', '[a', '{a', 'a\\*'].map(isGlob), [
    false,
    true,
    true,
    true,
    true,
    true,
  ]);
});

test('globs: a folder that matches covers what is below it', (t) => {
  const glob = user('a/{b,c*}');
  t.is(glob.find('a/b'), 'itself');
  t.is(glob.find('a/cd/e/f'), 'below');
  t.is(glob.find('a/d/b'), null);
  t.is(glob.find('a'), null);
  t.true(glob.mayMatchBelow('a'));
  t.true(glob.mayMatchBelow('a/b'));
  t.true(glob.mayMatchBelow('a/cx/y'));
  t.false(glob.mayMatchBelow('b'));
  t.false(glob.mayMatchBelow('a/d'));
  t.true(user('**/x').mayMatchBelow('any/where'));
});

/** Every choice of braces written out. */
function expand(pattern: string): string[] {
  const found = /^(.*?)\{([^{}]*,[^{}]*)\}(.*)$/s.exec(pattern);
  if (!found) return [pattern];
  const [, head = '', list = '', tail = ''] = found;
  return list.split(',').flatMap((item) => expand(head + item + tail));
}

/** Tries everything; for patterns of letters, '*', '?' and '/'. */
function slowMatch(pattern: string, path: string): boolean {
  if (pattern === '') return path === '';
  const isPart = pattern.startsWith('**/') || pattern === '**';
  if (isPart) {
    const rest = pattern.slice(3);
    if (pattern === '**') return true;
    if (slowMatch(rest, path)) return true;
    return [...path].some((char, i) => char === '/' && slowMatch(rest, path.slice(i + 1)));
  }
  const [first] = pattern as unknown as [string];
  if (first === '*') {
    const rest = pattern.replace(/^\*+/, '');
    for (let i = 0; ; i++) {
      if (matchInside(rest, path.slice(i))) return true;
      if (i === path.length || path[i] === '/') return false;
    }
  }
  if (path === '' || (first === '?' ? path[0] === '/' : path[0] !== first)) return false;
  return first === '/'
    ? slowMatch(pattern.slice(1), path.slice(1))
    : matchInside(pattern.slice(1), path.slice(1));
}

/** As slowMatch, where the pattern does not begin a part: stars are plain ones. */
function matchInside(pattern: string, path: string): boolean {
  return slowMatch(pattern.startsWith('**') ? pattern.replace(/^\*+/, '*') : pattern, path);
}

test('globs: random patterns match what a matcher that tries everything matches', (t) => {
  const piece = fc.constantFrom(
    'a',
    'b',
    '*',
    '?',
    '/',
    '**/',
    '/**',
    '{a,b}',
    '{,a*}',
    '{a,{b,/}}',
  );
  const pattern = fc
    .array(piece, { maxLength: 7 })
    .map((parts) => parts.join(''))
    // '**' beside a brace is a part of its own for one matcher and not for the other.
    .filter((text) => !/\*\*[{}a-z*?]|[}{a-z*?]\*\*/.test(text));
  const path = fc
    .array(fc.constantFrom('a', 'b', 'ab', '/'), { maxLength: 8 })
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(pattern, fc.array(path, { minLength: 20, maxLength: 20 }), (text, paths) => {
      const glob = user(text);
      const forms = expand(text).filter((form) => !/\*\*[a-z*?]|[a-z*?]\*\*/.test(form));
      fc.pre(forms.length === expand(text).length);
      for (const one of paths) {
        t.is(
          glob.matches(one),
          forms.some((form) => slowMatch(form, one)),
          `${text} on '${one}'`,
        );
      }
    }),
    { numRuns: 2000, seed: 3 },
  );
});

test('globs: no pattern makes matching long', (t) => {
  // Each would take a matcher that backtracks longer than anybody waits.
  const name = 'a'.repeat(250);
  for (const pattern of [
    `${'*a'.repeat(120)}b`,
    `${'**/'.repeat(100)}b`,
    `${'{a,a*}'.repeat(100)}b`,
    `${'{a,'.repeat(20_000)}b${'}'.repeat(20_000)}`,
    `${'{*,'.repeat(2000)}b${'}'.repeat(2000)}b`,
    '['.repeat(100_000),
    '[['.repeat(100_000),
    `[${'[:'.repeat(100_000)}`,
    '{'.repeat(100_000),
    '{a,'.repeat(50_000),
    '\\'.repeat(100_000),
    `${'*'.repeat(100_000)}b`,
  ]) {
    t.false(user(pattern).matches(name), pattern.slice(0, 20));
    t.false(new Glob(pattern, { braces: false }).matches(name), pattern.slice(0, 20));
    user(pattern).find('a/'.repeat(200));
  }
});

test('ignore patterns: the last that matches decides, also among many', (t) => {
  const lines = ['x', '!x', 'x/', '*.pt', '!keep.pt', 'sub/y', '/top'];
  const patterns = new IgnorePatterns(lines.join('\n'));
  const says = (path: string, isFolder = false): boolean | null => patterns.decide(path, isFolder);
  t.deepEqual([says('x'), says('x', true), says('d/x')], [false, true, false]);
  t.deepEqual([says('a.pt'), says('keep.pt'), says('other')], [true, false, null]);
  t.deepEqual(
    [says('sub/y'), says('d/sub/y'), says('top'), says('d/top')],
    [true, null, true, null],
  );
  t.false(patterns.isEmpty);
  for (const text of ['', '\n\r\n', '   ', '#x', '!', '/', '//', '\ufeff', '!/']) {
    t.is(new IgnorePatterns(text).decide('a', true), null, JSON.stringify(text));
  }
  t.true(new IgnorePatterns('#a\n  \n').isEmpty);
  const many = `${'x/\nx\n!y\n'.repeat(100_000)}!x`;
  t.is(new IgnorePatterns(many).decide('x', false), false);
});
