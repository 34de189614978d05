"""The style of the page: a module, so that the wheel carries nothing but Python and SQL."""

from __future__ import annotations

__all__ = ["STYLE"]

STYLE = """
:root {
  color-scheme: light dark;
  --paper: #fbfaf6; --strip: #fff; --ink: #22201b; --soft: #6a655a; --line: #dedacd;
  --lane: #3d7f8c; --wait: #9a6200; --wait-bg: #fdf3dc; --wait-line: #e3b65c;
  --bad: #b3231b; --bad-bg: #fdecea; --good: #22703a; --good-bg: #e8f4ea;
  --keyword: #245f9e; --string: #7a5200; --name: #7b3d96;
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
  --mono: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #171613; --strip: #1f1e1a; --ink: #e8e4d8; --soft: #a49d8d; --line: #38352d;
    --lane: #62a9b6; --wait: #e9b759; --wait-bg: #2b2413; --wait-line: #7d5f22;
    --bad: #ff8a7e; --bad-bg: #361a17; --good: #80c993; --good-bg: #17291b;
    --keyword: #82b6ee; --string: #dab36a; --name: #cf9be6;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
body {
  margin: 0 auto; padding: 0 1.25rem 4rem; max-width: 68rem;
  background: var(--paper); color: var(--ink); font: 1rem/1.55 var(--sans);
}
h1, h2, h3 { line-height: 1.2; text-wrap: balance; margin: 0; }
h1 { font-size: clamp(1.6rem, 4vw, 2.4rem); letter-spacing: -.02em; max-width: 22em; }
h2 { font-size: 1.6rem; letter-spacing: -.01em; }
h2 a { color: var(--line); text-decoration: none; }
h2:hover a, h2 a:focus { color: var(--soft); }
h3 { font-size: 1.15rem; }
p { margin: .5rem 0; max-width: 44em; }
a { color: var(--keyword); text-underline-offset: .15em; }
code, pre { font-family: var(--mono); font-size: .86em; }
pre { overflow-x: auto; padding: .75rem 1rem; margin: .5rem 0; line-height: 1.5;
  background: var(--strip); border: 1px solid var(--line); border-radius: .4rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th { text-align: left; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.soft, .note { color: var(--soft); }
.good { color: var(--good); }
.bad { color: var(--bad); }
.alarm { font-weight: 600; }

.top { padding: 3rem 0 1rem; }
.brand { display: inline-block; margin: 0 0 1rem; padding: .1rem .6rem; font: .8rem var(--mono);
  letter-spacing: .2em; text-transform: uppercase; border-block: 1px dashed var(--soft); }
.legend { display: flex; flex-wrap: wrap; gap: .4rem 1.6rem; padding: 0; margin: 1.2rem 0 0;
  list-style: none; font-size: .88rem; color: var(--soft); }
.legend li { display: flex; align-items: center; gap: .5rem; }
.key { width: 12px; height: 1.3em; }
.key.open { background: linear-gradient(var(--lane), var(--lane)) center / 2px 100% no-repeat; }
.flag { padding: 0 .35em; color: var(--paper); background: var(--bad); border-radius: .25em;
  font: 700 .85em var(--mono); }
.badge { display: inline-block; padding: .05em .55em; border-radius: 1em; white-space: nowrap;
  font: 600 .78rem/1.6 var(--sans); vertical-align: .1em; }
.badge.good { background: var(--good-bg); }
.badge.bad { background: var(--bad-bg); }

.scroll { overflow-x: auto; margin: .75rem 0; }
.scroll:focus-visible { outline: 2px solid var(--lane); outline-offset: 2px; }
.index { margin: 2rem 0 0; }
.index table { width: 100%; min-width: 44rem; font-size: .9rem; }
.index th, .index td { padding: .55rem .8rem .55rem 0; vertical-align: top;
  border-bottom: 1px solid var(--line); }
.index thead th { color: var(--soft); font-weight: 500; }
.index tbody th { width: 22%; font-weight: 600; }
.index td { width: 26%; }
.outcome { margin: 0 0 .25rem; }

.race { margin-top: 4.5rem; padding-top: 1.5rem; border-top: 3px double var(--line); }
.question { font-size: 1.15rem; }
.act { margin: 1.75rem 0; padding: 1.1rem 1.4rem 1.3rem; background: var(--strip);
  border: 1px solid var(--line); border-left: 4px solid var(--soft); border-radius: .5rem; }
.act.naive { border-left-color: var(--bad); }
.act.other { border-left-color: var(--wait-line); }
.act.tillroll { border-left-color: var(--good); }
.kind { margin: 0 0 .1rem; color: var(--soft); font-size: .78rem; letter-spacing: .08em;
  text-transform: uppercase; }
details { margin: .5rem 0; }
summary { color: var(--soft); font-size: .9rem; cursor: pointer; }
.act pre { background: var(--paper); }

.timeline { width: 100%; min-width: calc(3.5rem + var(--sessions) * 15rem); table-layout: fixed;
  font-size: .92rem; }
.timeline thead th { padding: .3rem .6rem .3rem 30px; border-bottom: 1px solid var(--line);
  font-weight: 700; }
.timeline th:first-child { width: 3.5rem; padding: .45rem .5rem .45rem 0; vertical-align: top;
  color: var(--soft); font-weight: 400; font-size: .82rem; white-space: nowrap; }
.timeline th .flag { margin-left: .4em; }
.timeline tbody tr { border-bottom: 1px solid color-mix(in srgb, var(--line) 45%, transparent); }
.timeline p { margin: 0; }
.timeline code { overflow-wrap: anywhere; }
.lane { position: relative; padding: .4rem .6rem .45rem 30px; vertical-align: top;
  overflow-wrap: anywhere; background: 11px 0 / 2px 0 no-repeat
  linear-gradient(var(--lane), var(--lane)); }
.lane.open, .lane.within { background-size: 2px 100%; }
.lane.begin { background-size: 2px 100%; background-position-y: 1.05rem; }
.lane.commit, .lane.rollback { background-size: 2px 1.05rem; }
.moment::before { content: ""; position: absolute; left: 7px; top: .8rem; width: 10px; height: 10px;
  border: 2px solid var(--lane); border-radius: 50%; background: var(--strip); }
.moment.commit::before, .moment.alone::before { background: var(--lane); }
.moment.rollback::before { border-radius: 0; border-color: var(--bad); }
.key.wait, .moment.wait::after { background: repeating-linear-gradient(
  -45deg, var(--wait-line) 0 3px, transparent 3px 7px); outline: 1px solid var(--wait-line); }
.moment.wait { background-color: var(--wait-bg); }
.moment.wait.within { background-size: 2px 1.05rem; }
.moment.wait::after { content: ""; position: absolute; left: 7px; top: 1.9rem; bottom: 0;
  width: 10px; }
.moment.resumed::before { border: 6px solid transparent; border-top: 9px solid var(--wait);
  border-bottom: 0; border-radius: 0; background: none; left: 6px; top: .3rem; width: 0; height: 0;
}
.moment.resumed.open { background-position-y: 1.05rem; }
.waits { color: var(--wait); font-weight: 600; }
.goes { color: var(--wait); font-size: .88em; }
.answer { color: var(--good); font: .86em/1.6 var(--mono); }
.error { color: var(--bad); font-size: .95em; }
.error b { font-family: var(--mono); font-size: .92em; }
.note { font-size: .92em; font-style: italic; }
.wrong { display: inline-block; margin-top: .2rem !important; padding: .1rem .5rem;
  color: var(--bad); background: var(--bad-bg); border: 1px solid;
  border-radius: .3rem; font-weight: 600; }
.timeline tr.anomaly > * {
  background-color: color-mix(in srgb, var(--bad-bg) 55%, transparent); }
.sql-keyword { color: var(--keyword); }
.sql-string, .sql-number { color: var(--string); }
.sql-name { color: var(--name); font-style: italic; }
.sql-comment { color: var(--soft); }

.end { display: flex; flex-wrap: wrap; gap: 1rem 2rem; align-items: flex-start;
  margin-top: 1.25rem; }
.end > :last-child { flex: 1 1 22rem; }
.receipt { padding: .6rem 1rem .7rem; background: var(--paper); font: .84rem/1.6 var(--mono);
  border-block: 2px dashed var(--line); overflow-x: auto; max-width: 100%; }
.receipt caption { color: var(--soft); text-align: left; padding-bottom: .2rem;
  white-space: nowrap; }
.receipt th { font-weight: 400; color: var(--soft); }
.receipt th, .receipt td { padding: 0 0 0 1.4rem; }
.receipt :first-child { padding-left: 0; }
.receipt .amount { text-align: right; }
.rule { margin-top: 0; }
.rule.good, .rule.bad { color: inherit; }
.rule.good b { color: var(--good); }
.rule.bad b { color: var(--bad); }
aside { padding: 0 0 0 1.4rem; border-left: 4px double var(--line); }
.sources { padding-left: 1.1rem; font-size: .92rem; }

@media (max-width: 40rem) {
  body { padding-inline: .7rem; }
  .act { padding-inline: .6rem; }
  .race { margin-top: 3rem; }
  .top { padding-top: 1.5rem; }
  .index table { min-width: 0; }
  .index thead { display: none; }
  .index tr { display: block; padding: .7rem 0; border-bottom: 1px solid var(--line); }
  .index tbody th, .index td { display: block; width: auto; padding: .15rem 0; border: 0; }
  .index tbody th { font-size: 1.05rem; }
  .index td::before { content: attr(data-kind); color: var(--soft); font-size: .85em; }
  .timeline { min-width: calc(1.6rem + var(--sessions) * 9.2rem); font-size: .84rem; }
  .timeline th:first-child { width: 1.6rem; padding-right: 0; }
  .timeline th .flag { display: block; width: fit-content; margin: .2em 0 0; }
  .timeline thead th, .lane { padding-right: .2rem; padding-left: 24px; }
}
@media print {
  :root { --paper: #fff; --strip: #fff; --ink: #000; --soft: #444; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  html { font-size: 8.5pt; }
  body { max-width: none; padding: 0; }
  .race { break-before: page; margin-top: 0; border: 0; }
  .act { break-inside: auto; }
  .timeline { min-width: 0; }
  tr, aside, .end, .receipt { break-inside: avoid; }
  h2, h3, .kind { break-after: avoid; }
  details, h2 a, .legend { display: none; }
  .scroll { overflow: visible; }
}
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
"""
