/** The one style of all pages: dark and light, on paper, from 360 pixels up. */

const LIGHT = `--ink: #17212b; --dim: #55616d; --page: #ffffff; --card: #f6f8fa; --rule: #d8dee4; --accent: #0063a8;
  --bar: #b9d4ea; --mark: #fff3c4; --add: #0063a8; --gone: #b34700; --changed: #7a3e9d;
  --k-conv: #cfe3f5; --k-full: #fbe0cc; --k-pool: #cdebdd; --k-norm: #e9e4f4; --k-act: #eef0f2; --k-attn: #f8dbe9;
  --k-io: #ffffff; --k-other: #eef0f2;`;
const DARK = `--ink: #e6edf3; --dim: #9aa7b4; --page: #0d1117; --card: #161b22; --rule: #30363d; --accent: #6cb6ff;
  --bar: #1f4b73; --mark: #4a3c00; --add: #6cb6ff; --gone: #f0955a; --changed: #c99ce6;
  --k-conv: #17354f; --k-full: #4a2f1a; --k-pool: #173d2d; --k-norm: #30294a; --k-act: #22272e; --k-attn: #47243a;
  --k-io: #0d1117; --k-other: #22272e;`;
/** Four colours that are told apart by most, with enough contrast on both grounds (Okabe and Ito 2008). */
const SERIES = ['#0072b2', '#d55e00', '#009e73', '#cc79a7'];
const DARK_SERIES = ['#3d9bd6', '#e57a2c', '#22b38a', '#d892b8'];

const colours = (list: readonly string[]): string =>
  list.map((colour, i) => `--s${i}: ${colour};`).join(' ');

export const PAGE_STYLE = `
:root { color-scheme: light; ${LIGHT} ${colours(SERIES)} }
@media (prefers-color-scheme: dark) { :root:not([data-theme="light"]) { color-scheme: dark; ${DARK} ${colours(DARK_SERIES)} } }
:root[data-theme="dark"] { color-scheme: dark; ${DARK} ${colours(DARK_SERIES)} }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
  color: var(--ink); background: var(--page); }
main, header, footer { max-width: 92rem; margin: 0 auto; padding: 0 clamp(.9rem, 3vw, 2.5rem); }
header { padding-top: 1.6rem; display: flex; flex-wrap: wrap; gap: .3rem 1rem; align-items: baseline; }
header > div { flex: 1 1 20rem; min-width: 0; }
h1 { font-size: clamp(1.3rem, 3.5vw, 1.8rem); line-height: 1.25; margin: 0; letter-spacing: -.01em; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; overflow-wrap: anywhere; margin: 2.4rem 0 .6rem; padding-top: .9rem; border-top: 1px solid var(--rule); }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; overflow-wrap: anywhere; }
p { margin: .4rem 0; overflow-wrap: anywhere; }
.dim, .note { color: var(--dim); } .note { font-size: .9rem; }
nav { display: flex; flex-wrap: wrap; gap: .1rem 1rem; margin: .8rem 0 0; font-size: .93rem; }
a { color: var(--accent); text-underline-offset: .15em; } nav a { display: inline-block; padding: .15rem 0; min-height: 24px; }
code, .mono { font-family: ui-monospace, "SFMono-Regular", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .88em; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--card); border: 1px solid var(--rule); border-radius: 6px;
  padding: .7rem .9rem; margin: .6rem 0; font-size: .88rem; }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 11.5rem), 1fr)); gap: .6rem; margin: .9rem 0; padding: 0; }
.facts > div { background: var(--card); border: 1px solid var(--rule); border-radius: 6px; padding: .5rem .75rem; min-width: 0; }
.facts dt { color: var(--dim); font-size: .82rem; overflow-wrap: anywhere; } .facts dd { margin: 0; font-weight: 600; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.facts dd small { font-weight: 400; color: var(--dim); display: block; }
.wide { position: relative; overflow-x: auto; max-width: 100%; }
.wide:focus-visible, button:focus-visible, input:focus-visible, a:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; min-width: 24rem; }
caption { text-align: left; color: var(--dim); padding: .2rem 0 .5rem; }
th, td { padding: .32rem .7rem .32rem 0; border-bottom: 1px solid var(--rule); text-align: left; vertical-align: middle; }
th { font-weight: 600; vertical-align: bottom; white-space: nowrap; } th button { all: unset; cursor: pointer; white-space: nowrap; min-height: 24px; }
th button::after { content: " ↕"; color: var(--dim); font-weight: 400; } th[aria-sort="ascending"] button::after { content: " ↑"; color: inherit; }
th[aria-sort="descending"] button::after { content: " ↓"; color: inherit; }
td.n, th.n { text-align: right; white-space: nowrap; } td.t { max-width: 26rem; min-width: 6rem; overflow-wrap: break-word; } td.nowrap { white-space: nowrap; }
tbody tr:hover { background: var(--card); } td.best { font-weight: 700; } tr.base td { background: var(--mark); }
td small { color: var(--dim); } .up { color: var(--add); } .down { color: var(--gone); }
td.barcell { min-width: 7rem; } td.barcell svg { display: block; height: .85rem; width: 100%; min-width: 6rem; }
.bar { fill: var(--bar); }
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 25rem), 1fr)); gap: 1.2rem 1.6rem; margin: .8rem 0; }
.plots.large { grid-template-columns: repeat(auto-fill, minmax(min(100%, 38rem), 1fr)); } .plots.large h3 { margin-top: 0; }
.plots.one { grid-template-columns: minmax(0, 40rem); }
figure { margin: 0; min-width: 0; break-inside: avoid; } figcaption { font-weight: 600; overflow-wrap: anywhere; } figcaption small { font-weight: 400; color: var(--dim); }
svg.plot { width: 100%; height: auto; display: block; }
svg text { fill: var(--ink); font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
svg .tick { fill: var(--dim); font-size: 12px; } svg .small { font-size: 10.5px; } svg .label { fill: var(--dim); }
svg .grid { stroke: var(--rule); stroke-width: 1; } svg .mark { stroke: var(--dim); stroke-width: 1; stroke-dasharray: 3 2; }
svg .line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; } svg .dashed { stroke-dasharray: 6 4; }
svg .faint { opacity: .35; stroke-width: 1.2; }
${[0, 1, 2, 3].map((i) => `.line.s${i} { stroke: var(--s${i}); } .fill.s${i} { fill: var(--s${i}); }`).join(' ')}
.line.sx { stroke: var(--dim); } .fill.sx { fill: var(--dim); }
.line.d1 { stroke-dasharray: 6 3; } .line.d2 { stroke-dasharray: 2 3; } .line.d3 { stroke-dasharray: 8 3 2 3; }
.legend { list-style: none; padding: 0; margin: .3rem 0 0; display: flex; flex-wrap: wrap; gap: .1rem 1rem; font-size: .88rem; } .legend li { overflow-wrap: anywhere; }
.spark, .interval { vertical-align: middle; display: inline-block; }
table.log { min-width: 0; width: 100%; } table.log td { height: 36px; padding-top: 0; padding-bottom: 0; border-bottom: 0; white-space: nowrap; }
table.log td.descent { padding-right: .5rem; line-height: 0; } .descent { display: block; } .descent .node { stroke: var(--page); stroke-width: 2; }
${[0, 1, 2, 3].map((i) => `.descent .node.s${i} { fill: var(--s${i}); }`).join(' ')}
.spoken { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
table.log td.t { max-width: 25rem; min-width: 0; overflow: hidden; text-overflow: ellipsis; }
.ref { display: inline-block; border: 1px solid var(--rule); border-radius: 999px; padding: 0 .5rem; font-size: .78rem; background: var(--card); color: var(--dim); margin-left: .3rem; max-width: 14rem; overflow: hidden; text-overflow: ellipsis; vertical-align: middle; white-space: nowrap; }
.ref.head { border-color: var(--accent); color: var(--accent); }
.net { border: 1px solid var(--rule); border-radius: 6px; background: var(--page); max-height: 42rem; overflow: auto; padding: .8rem; resize: vertical; }
.net svg { display: block; margin: 0 auto; }
.net .edge { fill: none; stroke: var(--dim); stroke-width: 1.2; opacity: .75; } .net .edge.on { stroke: var(--accent); stroke-width: 2.4; opacity: 1; }
.net rect.box { stroke: var(--dim); stroke-width: .8; } .net text { font-size: 12px; } .net .sub { font-size: 10.5px; fill: var(--dim); } .net .strong { font-weight: 600; }
.net .frame { fill: none; stroke: var(--dim); stroke-width: 1; stroke-dasharray: 5 3; } .net .hit rect.box { stroke: var(--accent); stroke-width: 2.5; }
.net .fold { fill: transparent; } .net .plus { display: none; font-weight: 700; } .net .off { opacity: .28; } .net g[data-n]:focus-visible { outline: none; } .net g[data-n]:focus-visible rect.box { stroke: var(--accent); stroke-width: 2.5; }
${['conv', 'full', 'pool', 'norm', 'act', 'attn', 'io', 'other'].map((kind) => `.k-${kind} { fill: var(--k-${kind}); }`).join(' ')}
.d-added rect.box { stroke: var(--add); stroke-width: 2.5; } .d-removed rect.box { stroke: var(--gone); stroke-width: 2.5; stroke-dasharray: 5 3; } .d-changed rect.box { stroke: var(--changed); stroke-width: 2.5; }
.d-added .sign { fill: var(--add); font-weight: 700; } .d-removed .sign { fill: var(--gone); font-weight: 700; } .d-changed .sign { fill: var(--changed); font-weight: 700; }
td.added { color: var(--add); } td.removed { color: var(--gone); } td.changed { color: var(--changed); }
.tools { display: flex; flex-wrap: wrap; gap: .4rem .6rem; align-items: center; margin: .3rem 0 .5rem; font-size: .88rem; }
.tools input, .tools button, .theme { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--rule); border-radius: 6px; padding: .2rem .6rem; min-height: 28px; } .tools button, .theme { cursor: pointer; }
.heat td { text-align: center; padding: .2rem .4rem; border: 1px solid var(--page); min-width: 2.4rem; } .heat th { padding: .2rem .4rem; text-align: center; vertical-align: middle; } .heat tbody th { text-align: right; }
${Array.from({ length: 11 }, (_, i) => `.h${i} { background: color-mix(in srgb, var(--s0) ${i * 6}%, transparent); }`).join(' ')}
details { margin: .6rem 0; } summary { cursor: pointer; color: var(--accent); min-height: 24px; }
footer { border-top: 1px solid var(--rule); margin-top: 3rem; padding-top: .8rem; padding-bottom: 2.5rem; color: var(--dim); font-size: .86rem; }
footer p { margin: .15rem 0; }
@media (max-width: 640px) { .facts { grid-template-columns: repeat(auto-fill, minmax(min(100%, 8.6rem), 1fr)); gap: .45rem; } .facts > div { padding: .4rem .6rem; } th, td { padding-right: .55rem; } .net { max-height: 32rem; } table { font-size: .86rem; } }
@media print {
  :root, :root:not([data-theme="light"]), :root[data-theme="dark"] { color-scheme: light; ${LIGHT} ${colours(SERIES)} }
  body { font-size: 10pt; } .wide, .net { overflow: visible; max-height: none; border: 0; padding: 0; resize: none; } .net svg { max-width: 100%; height: auto; }
  .tools, .theme, nav { display: none; } tr, figure, .facts > div { break-inside: avoid; } h2, h3 { break-after: avoid; } details:not([open]) > *:not(summary) { display: block; }
  th button::after { content: ""; }
}
@media (prefers-reduced-motion: no-preference) { html { scroll-behavior: smooth; } }
`;
