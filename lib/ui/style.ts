/** The style of the page: that of the commands' pages, and what only a page that lives has. */
import { PAGE_STYLE } from '../cli/pages/frame/style.js';

export const UI_STYLE = `${PAGE_STYLE}
html { scroll-padding-top: 4rem; }
body { min-height: 100vh; display: flex; flex-direction: column; }
#app { flex: 1; display: flex; flex-direction: column; min-width: 0; }
main { width: 100%; flex: 1; padding-top: 1rem; padding-bottom: 4.5rem; max-width: 110rem; }
main:focus { outline: none; } h2:focus { outline: none; }
tr.base small, tr.base .delta { color: var(--ink); } main section:first-of-type > h2 { border-top: 0; margin-top: .8rem; } .select { display: block; }
main h1 { margin: .2rem 0 .3rem; }
.skip { position: absolute; left: -999rem; } .skip:focus { left: .5rem; top: .5rem; z-index: 9; background: var(--page); padding: .3rem .6rem; border: 1px solid var(--accent); border-radius: 6px; }
header.top { position: sticky; top: 0; z-index: 5; width: 100%; max-width: none; padding-top: .45rem; padding-bottom: .45rem; background: var(--page); border-bottom: 1px solid var(--rule); display: flex; align-items: center; gap: .2rem 1.4rem; }
header.top nav { margin: 0; flex: 1 1 auto; gap: .1rem .3rem; min-width: 0; }
header.top nav a, .tabs a { text-decoration: none; color: var(--dim); padding: .2rem .55rem; border-radius: 6px; white-space: nowrap; }
header.top nav a:hover, .tabs a:hover { background: var(--card); color: var(--ink); }
header.top nav a[aria-current], .tabs a[aria-current] { color: var(--ink); font-weight: 600; background: var(--card); box-shadow: inset 0 0 0 1px var(--rule); }
.brand { font-weight: 700; font-size: 1.1rem; letter-spacing: -.02em; color: var(--ink); text-decoration: none; padding: .1rem 0; }
header.top .tools { margin: 0; flex: none; flex-wrap: nowrap; }
button, select, .field input, textarea { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--rule); border-radius: 6px; padding: .25rem .7rem; min-height: 32px; }
button { cursor: pointer; } button:hover { border-color: var(--dim); } button.quiet { background: none; } button.small { min-height: 24px; padding: .05rem .5rem; font-size: .85rem; }
button.primary { background: var(--accent); border-color: var(--accent); color: var(--page); font-weight: 600; }
select:focus-visible, textarea:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.field input, textarea { background: var(--page); border-color: var(--dim); width: 100%; }
.field input[aria-invalid="true"] { border-color: var(--gone); }
.field { display: inline-flex; flex-direction: column; gap: .15rem; min-width: 0; } .field > span { color: var(--dim); font-size: .82rem; } .field.grow { flex: 1 1 18rem; }
.field .problem { color: var(--gone); font-size: .85rem; overflow-wrap: anywhere; }
.check { display: inline-flex; align-items: center; gap: .4rem; min-height: 32px; }
input[type=checkbox] { width: 16px; height: 16px; accent-color: var(--accent); margin: 0; } input[type=range] { accent-color: var(--accent); }
.bar { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem .8rem; margin: .5rem 0; } .bar > p { margin: 0; }
.bar.filter { align-items: flex-end; } .bar.head { flex-wrap: nowrap; align-items: flex-start; } .bar.head h1 { flex: 1; min-width: 0; margin: 0; } .bar.head .select { margin-top: .55rem; }
.turn { display: flex; gap: .3rem; } .turn a { display: inline-grid; place-items: center; width: 34px; height: 34px; border: 1px solid var(--rule); border-radius: 6px; text-decoration: none; }
.said { position: fixed; right: 1rem; top: 3.4rem; z-index: 8; margin: 0; background: var(--ink); color: var(--page); border-radius: 6px; padding: .3rem .8rem; max-width: 90vw; } .said:empty { display: none; }
.banner { max-width: 110rem; margin: .6rem auto; width: 100%; border: 1px solid var(--rule); border-left: 4px solid var(--changed); background: var(--card); border-radius: 6px; padding: .4rem .9rem; } .banner.bad { border-left-color: var(--gone); } .banner ul { margin: .3rem 0; padding-left: 1.2rem; overflow-wrap: anywhere; }
.loading { color: var(--dim); padding: 2rem 0; animation: appear .3s .4s both; } @keyframes appear { from { opacity: 0; } }
.empty { border: 1px dashed var(--dim); border-radius: 8px; padding: 1.4rem 1.6rem; margin: 1rem 0; color: var(--dim); } .empty .what { color: var(--ink); font-weight: 600; font-size: 1.05rem; margin-top: 0; }
.ref { display: inline-block; max-width: 100%; overflow-wrap: anywhere; } .shown { min-width: 0; } figcaption, dt, dd { overflow-wrap: anywhere; } .toc a { overflow-wrap: anywhere; min-width: 0; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 27rem), 1fr)); gap: 1rem; margin: .8rem 0; }
.card { border: 1px solid var(--rule); background: var(--card); border-radius: 8px; padding: .9rem 1.1rem; min-width: 0; display: flex; flex-direction: column; } .card h2 { margin: 0; padding: 0; border: 0; overflow-wrap: anywhere; } .card p { margin: .15rem 0; font-size: .92rem; } .card .links { margin-top: auto; padding-top: .6rem; display: flex; gap: 1.2rem; } .card .links a { min-height: 24px; }
.latest { list-style: none; margin: .6rem 0 0; padding: 0; border-top: 1px solid var(--rule); } .latest li { display: flex; gap: .6rem; padding: .45rem 0; border-bottom: 1px solid var(--rule); } .latest li > div { min-width: 0; flex: 1; } .latest .message { display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; } .latest small { display: block; overflow-wrap: anywhere; } .latest .select { margin-top: .25rem; }
a.version { font-weight: 600; }
.tabs { border-bottom: 1px solid var(--rule); padding-bottom: .4rem; gap: .1rem .3rem; }
.toc { margin-bottom: -1rem; }
.window { position: relative; overflow: auto; overscroll-behavior-y: contain; border: 1px solid var(--rule); border-radius: 8px; } .window.tall { max-height: max(20rem, calc(100vh - 15.5rem)); }
.window:focus-visible { outline: 2px solid var(--accent); outline-offset: 1px; }
.space td { padding: 0; border: 0; } tr.space:hover { background: none; }
table.grid { border-collapse: separate; border-spacing: 0; min-width: 100%; } table.grid th, table.grid td { height: 34px; padding: 0 .8rem; vertical-align: middle; white-space: nowrap; max-width: 22rem; overflow: hidden; text-overflow: ellipsis; }
table.grid thead th { position: sticky; top: 0; z-index: 2; background: var(--card); vertical-align: middle; } table.grid th.pick, table.grid td.pick { position: sticky; left: 0; z-index: 1; background: var(--page); width: 2.4rem; min-width: 2.4rem; padding: 0 0 0 .8rem; } table.grid th.name { position: sticky; left: 2.4rem; z-index: 1; background: var(--page); font-weight: 600; padding-left: .4rem; }
table.grid thead th.pick { z-index: 3; background: var(--card); } table.grid thead th:nth-child(2) { left: 2.4rem; z-index: 3; padding-left: .4rem; }
table.grid thead th button { border: 0; padding: 0; background: none; font-weight: 600; } table.grid thead th:not([aria-sort]) button::after { content: ""; } table.grid thead th:not([aria-sort]) button:hover::after, table.grid thead th:not([aria-sort]) button:focus-visible::after { content: " ↕"; }
table.grid tbody tr:hover > *, table.grid tbody tr.active > *, table.log tbody tr.active > * { background: var(--card); } tr.active > :first-child, li.active { box-shadow: inset 3px 0 0 var(--accent); }
table.grid tbody tr.base > * { background: var(--mark); } .delta { color: var(--dim); }
table.lineage { table-layout: auto; } table.lineage td { overflow: hidden; } table.lineage td.pick { width: 2.2rem; padding-left: .8rem; } table.lineage td.lane { width: 1px; } table.lineage td.t { max-width: 0; width: 100%; text-overflow: ellipsis; } .shown > svg.lanes { display: block; } span.shown { display: block; } .unfold { min-height: 26px; padding: 0 .6rem; color: var(--dim); border-style: dashed; }
.message { color: var(--ink); }
.rowcards { position: relative; list-style: none; margin: 0; padding: 0; } .rowcards li { position: absolute; left: 0; right: 0; overflow: hidden; border-bottom: 1px solid var(--rule); padding: .5rem .8rem; } .rowcards .first { display: flex; gap: .6rem; align-items: center; } .rowcards .first .dim { margin-left: auto; font-size: .85rem; } .rowcards dl { display: flex; gap: 1rem; margin: .3rem 0; } .rowcards dl > div { min-width: 0; flex: 1; } .rowcards dt { color: var(--dim); font-size: .78rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; } .rowcards dd { margin: 0; font-variant-numeric: tabular-nums; } .rowcards dd.best { font-weight: 700; } .rowcards p { margin: 0; font-size: .86rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; color: var(--dim); }
.columns { border: 1px solid var(--rule); border-radius: 8px; margin: .5rem 0; padding: .5rem .9rem .8rem; } .columns legend { padding: 0 .3rem; color: var(--dim); } .choices { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 15rem), 1fr)); gap: 0 1rem; max-height: 16rem; overflow: auto; margin-top: .5rem; } .choices label { display: flex; gap: .5rem; align-items: center; min-height: 28px; overflow-wrap: anywhere; }
.tray { position: fixed; left: 0; right: 0; bottom: 0; z-index: 6; background: var(--card); border-top: 1px solid var(--rule); padding: .5rem clamp(.9rem, 3vw, 2.5rem); display: flex; gap: .6rem 1rem; align-items: center; flex-wrap: wrap; } .tray ul { list-style: none; display: flex; gap: .4rem; margin: 0; padding: 0; overflow-x: auto; flex: 1 1 12rem; min-width: 0; } .tray li { display: flex; align-items: center; gap: .2rem; border: 1px solid var(--rule); background: var(--page); border-radius: 6px; padding-left: .6rem; white-space: nowrap; } .tray li button { border: 0; background: none; min-width: 28px; min-height: 28px; padding: 0; } .tray .acts { display: flex; gap: .4rem; flex-wrap: wrap; }
.sheet::backdrop { background: rgb(0 0 0 / .45); } .sheet { color: var(--ink); background: var(--page); border: 1px solid var(--rule); border-radius: 10px; padding: 1rem 1.4rem 1.4rem; max-height: 90vh; overflow: auto; min-width: min(26rem, 100%); } .sheet .bar { justify-content: space-between; } .sheet h2 { margin: 0; padding: 0; border: 0; } table.keys { min-width: 0; width: 100%; } table.keys th { vertical-align: middle; } kbd { font: inherit; font-size: .85rem; border: 1px solid var(--rule); border-bottom-width: 2px; border-radius: 5px; background: var(--card); padding: .05rem .4rem; margin-right: .25rem; }
.button { display: inline-flex; align-items: center; min-height: 32px; padding: .25rem .7rem; border: 1px solid var(--rule); border-radius: 6px; background: var(--page); color: var(--ink); text-decoration: none; } .button:hover { border-color: var(--dim); } .button.primary { background: var(--accent); border-color: var(--accent); color: var(--page); font-weight: 600; }
button[aria-pressed="true"] { border-color: var(--accent); box-shadow: inset 0 0 0 1px var(--accent); }
.charts { grid-template-columns: repeat(auto-fill, minmax(min(100%, 34rem), 1fr)); } .chart { min-height: 300px; min-width: 0; overflow: hidden; }
.uplot, .uplot *, .uplot *::before, .uplot *::after { box-sizing: border-box; } .uplot { width: min-content; line-height: 1.5; } .u-wrap { position: relative; user-select: none; } .u-over, .u-under { position: absolute; } .u-under { overflow: hidden; } .uplot canvas { display: block; position: relative; width: 100%; height: 100%; } .u-axis { position: absolute; } .u-cursor-x, .u-cursor-y { position: absolute; left: 0; top: 0; pointer-events: none; will-change: transform; } .u-cursor-x { height: 100%; border-right: 1px dashed var(--dim); } .u-cursor-y { width: 100%; border-bottom: 1px dashed var(--rule); } .u-cursor-pt { position: absolute; top: 0; left: 0; border-radius: 50%; border: 0 solid; pointer-events: none; will-change: transform; background-clip: padding-box; } .u-select { background: color-mix(in srgb, var(--accent) 15%, transparent); position: absolute; pointer-events: none; } .u-axis.u-off, .u-select.u-off, .u-cursor-x.u-off, .u-cursor-y.u-off, .u-cursor-pt.u-off { display: none; }
.u-legend { font-size: .85rem; margin: .3rem 0 0; text-align: left; min-width: 0; width: 100%; display: block; } .u-legend tbody { display: flex; flex-wrap: wrap; gap: 0 1rem; } .u-legend tr { display: flex; align-items: center; } .u-legend tr:hover { background: none; } .u-legend th, .u-legend td { border: 0; padding: .1rem .25rem; font-weight: 400; white-space: nowrap; } .u-legend th { display: flex; align-items: center; gap: .3rem; cursor: pointer; } .u-legend th::after { content: ":"; } .u-inline.u-live th::after { content: ":"; } .u-legend .u-marker { width: 1.1em; height: .35em; border-radius: 2px; } .u-legend .u-off > * { opacity: .45; }
.notes { border: 0; margin-top: 2rem; padding: .6rem 0 0; color: var(--dim); font-size: .88rem; max-width: none; }
.fields { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 14rem), 1fr)); gap: .5rem .8rem; margin: .5rem 0; }
.query { position: relative; } textarea { font-family: ui-monospace, "SFMono-Regular", Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: .92rem; padding: .5rem .7rem; resize: vertical; } textarea[aria-invalid="true"] { border-color: var(--gone); } .query .field { display: flex; }
.completions { position: absolute; z-index: 4; list-style: none; margin: .1rem 0 0; padding: .2rem; border: 1px solid var(--dim); border-radius: 6px; background: var(--page); min-width: 14rem; } .completions[hidden] { display: none; } .completions > div { padding: .15rem .6rem; border-radius: 4px; cursor: pointer; min-height: 26px; } .completions > div[aria-selected="true"], .completions > div:hover { background: var(--accent); color: var(--page); }
.examples { list-style: none; padding: 0; display: grid; gap: .4rem; justify-items: start; } .examples button { text-align: left; max-width: 100%; overflow-wrap: anywhere; }
.found ul { list-style: none; padding: 0; display: grid; grid-template-columns: repeat(auto-fill, minmax(12rem, 1fr)); gap: .2rem .8rem; max-height: 14rem; overflow: auto; } .found li { display: flex; gap: .5rem; align-items: center; min-height: 26px; }
.parallel { border: 1px solid var(--rule); border-radius: 8px; } .parallel svg { display: block; margin: 0 auto; touch-action: none; } .parallel .axis { stroke: var(--dim); stroke-width: 1; } .parallel .strong { font-weight: 600; } .parallel .grip { fill: transparent; cursor: ns-resize; } .parallel .grip.none { cursor: default; } .parallel .range { fill: color-mix(in srgb, var(--accent) 30%, transparent); stroke: var(--accent); } .pl { fill: none; stroke-width: 1.3; stroke-linejoin: round; } .pl.faint { stroke: var(--rule); stroke-width: 1; } .pl.over { stroke: var(--gone); stroke-width: 3; pointer-events: none; } path.pl:hover { cursor: pointer; }
${[0, 1, 2, 3, 4].map((i) => `.pl${i} { stroke: color-mix(in srgb, var(--s0) ${20 + 20 * i}%, var(--dim)); opacity: ${(0.45 + 0.13 * i).toFixed(2)}; }`).join(' ')}
th.n button { text-align: right; }
@media (max-width: 640px) {
  header.top { flex-wrap: wrap; gap: .2rem .8rem; } header.top nav { order: 3; flex-basis: 100%; flex-wrap: nowrap; overflow-x: auto; padding-bottom: .2rem; } header.top .tools { margin-left: auto; }
  .window.tall { max-height: max(20rem, calc(100vh - 17rem)); } main { padding-bottom: 7rem; }
  .card { padding: .8rem .9rem; } table.lineage td.lane { padding-right: .2rem; }
}
`;
