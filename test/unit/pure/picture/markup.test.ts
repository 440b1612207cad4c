/** Goal: no value can become markup, and no template puts one where it could. */
import test from 'ava';
import fc from 'fast-check';
import { escapeText, html, lines, Markup, page } from '../../../../lib/pure/picture/markup.js';
import { anyCharacter } from '../../../helpers/any-character.js';
import { pageProblems } from '../../../helpers/page.js';

const HOSTILE = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' onload='alert(1)",
  '</title><script>',
  '&lt;b&gt;',
  '<!-- -->',
  ']]>',
  'javascript:alert(1)',
  'a\u202eb\u2066c\u200bd\u0000e\ud800',
];

const text = fc.oneof(fc.constantFrom(...HOSTILE), fc.string({ unit: anyCharacter }));

function whole(value: string): string {
  const hash = (content: string): string => content.length.toString();
  const body = html`<p class="${value}" title="${value}">${value}<b>${[value, html`<i>${value}</i>`]}</b></p>`;
  return page({ title: value, style: 'p { color: red }', script: 'void 0;', body, hash });
}

test('markup: whatever is put in, tags and attributes are those of the template', (t) => {
  const shape = (value: string): string =>
    whole(value)
      .replace(/<title>[^<]*/, '<title>')
      .replace(/(class|title)="[^"]*"/g, '$1=""')
      .replace(/>[^<]*</g, '><');
  const expected = shape('');
  fc.assert(fc.property(text, (value) => shape(value) === expected));
  t.pass();
});

test('markup: pages stay well-formed', (t) => {
  fc.assert(
    fc.property(text, (value) => {
      const problems = pageProblems(whole(value)).filter((one) => !one.includes('hash'));
      return problems.length === 0;
    }),
  );
  t.pass();
});

test('markup: text comes back as it was, but for what is invisible', (t) => {
  const readBack = (given: string): string =>
    given
      .replaceAll('&#39;', "'")
      .replaceAll('&quot;', '"')
      .replaceAll('&gt;', '>')
      .replaceAll('&lt;', '<')
      .replaceAll('&amp;', '&');
  fc.assert(fc.property(fc.string(), (value) => readBack(escapeText(value)) === value));
  t.is(escapeText('a\u202eb\n'), 'a\\u{202e}b\\x0a');
});

test('markup: a value may stand between tags and in harmless attributes alone', (t) => {
  const x = 'x';
  const wrong: (() => Markup)[] = [
    () => html`<p ${x}></p>`,
    () => html`<${x}></${x}>`,
    () => html`<p class=${x}></p>`,
    () => html`<p onclick="${x}"></p>`,
    () => html`<p style="${x}"></p>`,
    () => html`<img src="${x}"/>`,
    () => html`<a href="${x}">a</a>`,
    () => html`<a href="javascript:${x}">a</a>`,
    () => html`<script>${x}</script>`,
    () => html`<style>${x}</style>`,
    () => html`<!-- ${x} -->`,
    () => html`<p srcdoc="${x}"></p>`,
    () => html`<p title="${x}></p>`,
    () => html`<a xlink:href="${x}">a</a>`,
    () => html`<p formaction="${x}"></p>`,
  ];
  for (const make of wrong) t.throws(make, { code: 'DLV_BUG' }, String(make));
  t.is(String(html`<a href="#${'a"b'}">a</a>`), '<a href="#a&quot;b">a</a>');
});

test('markup: templates that are not well-formed are refused', (t) => {
  const wrong: (() => Markup)[] = [
    () => html`<p>`,
    () => html`</p>`,
    () => html`<p></b>`,
    () => html`a < b`,
    () => html`a & b`,
    () => html`a > b`,
    () => html`<p>…</p>`,
    () => html`<p class="a"b></p>`,
  ];
  for (const make of wrong) t.throws(make, { code: 'DLV_BUG' }, String(make));
});

test('markup: nothing but a template makes it', (t) => {
  const forged = Object.assign(['<script>', '</script>'], { raw: ['<script>', '</script>'] });
  t.throws(() => html(forged as unknown as TemplateStringsArray, 'x'), { code: 'DLV_BUG' });
  t.throws(() => new Markup(Symbol('made by a template') as never, '<script>'), {
    code: 'DLV_BUG',
  });
  t.throws(() => html`<p title="${html`<b></b>`}"></p>`, { code: 'DLV_BUG' });
  const pretended = { toString: () => '<b>' } as unknown as string;
  t.is(String(html`<p>${[pretended]}</p>`.toString().includes('<b>')), 'false');
});

test('markup: what is nothing is left out, lists are joined', (t) => {
  t.is(
    String(html`<p>${null}${undefined}${false}${0}${''}${[1, [2, html`<b>3</b>`]]}</p>`),
    '<p>012<b>3</b></p>',
  );
  t.is(String(lines([html`<b>1</b>`, null, 'a<'])), '<b>1</b>\na&lt;');
});

test('pages: a style or script that would end early is refused', (t) => {
  const parts = { title: '', style: '', script: '', body: html`<p></p>`, hash: () => '' };
  t.throws(() => page({ ...parts, script: '"</script>"' }), { code: 'DLV_BUG' });
  t.throws(() => page({ ...parts, style: '<!-- ' }), { code: 'DLV_BUG' });
});
