"""How a page looks: in light and dark, on a narrow screen and a wide one, and in a notebook."""

from __future__ import annotations

__all__ = ["STYLE"]

#: Rules begin with ``.rr``, the class of the page, so that those of a notebook stay as they are.
#: Twice where JupyterLab, whose rules have two classes, would have it otherwise.
STYLE = """
.rr { --ink: #1b1f24; --soft: #59636e; --paper: #ffffff; --card: #f6f8fa; --line: #d1d9e0;
  --warn-ink: #7d4e00; --warn-paper: #fff8c5; --warn-line: #d4a72c;
  --bad: #c5221f; --good: #1a7f37; --series-1: #0969da; --series-2: #bc4c00; --series-3: #8250df;
  color: var(--ink); background: var(--paper); color-scheme: light dark;
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
@media (prefers-color-scheme: dark) {
  .rr { --ink: #e6edf3; --soft: #9ea7b3; --paper: #0d1117; --card: #161b22; --line: #3d444d;
    --warn-ink: #f2cc60; --warn-paper: #2b2311; --warn-line: #9e6a03;
    --bad: #ff7b72; --good: #56d364; --series-1: #58a6ff; --series-2: #f0883e;
    --series-3: #bc8cff; } }
body.rr { margin: 0; }
.rr main { max-width: 1500px; margin: 0 auto; padding: 0.5rem clamp(0.75rem, 3vw, 2rem) 3rem; }
.rr h1 { font-size: 1.35rem; line-height: 1.25; margin: 0.8rem 0 0.4rem; overflow-wrap: anywhere; }
.rr h2 { font-size: 1.15rem; margin: 2rem 0 0.6rem; padding-top: 0.6rem;
  border-top: 1px solid var(--line); }
.rr h3 { font-size: 1rem; margin: 1.2rem 0 0.4rem; }
.rr p { margin: 0.4rem 0; max-width: 75ch; overflow-wrap: anywhere; }
.rr a { color: var(--series-1); }
.rr .soft { color: var(--soft); }
.rr nav { display: flex; flex-wrap: wrap; gap: 0.2rem 1rem; margin: 0.6rem 0; }
.rr .remarks { background: var(--card); border: 1px solid var(--line); border-radius: 6px;
  padding: 0.5rem 1rem; margin: 0.8rem 0; }
.rr .remarks ul { margin: 0.3rem 0; padding-left: 1.2rem; }
.rr .remarks li { margin: 0.2rem 0; overflow-wrap: anywhere; }
.rr .stands-out { background: var(--warn-paper); border-color: var(--warn-line); }
.rr .warning { color: var(--warn-ink); background: var(--warn-paper);
  border-left: 4px solid var(--warn-line); padding: 0.3rem 0.7rem; margin: 0.4rem 0;
  overflow-wrap: anywhere; max-width: none; }
.rr .bad { color: var(--bad); }
.rr .good { color: var(--good); }
.rr dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(45%, 13rem), 1fr));
  gap: 0.5rem 1.2rem; margin: 0.6rem 0; }
.rr dl > div { min-width: 0; }
.rr dt { color: var(--soft); font-size: 0.85em; }
.rr dd { margin: 0; overflow-wrap: anywhere; }
.rr .grid { display: grid; gap: 1rem; align-items: start;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 24rem), 1fr)); }
.rr .small-grid { display: grid; gap: 0.8rem; align-items: start;
  grid-template-columns: repeat(auto-fill, minmax(min(45%, 10.5rem), 1fr)); }
.rr .small-grid > * { max-width: 13rem; }
.rr .columns { display: flex; flex-wrap: wrap; gap: 0 2.5rem; }
.rr .columns > * { min-width: 0; max-width: 100%; }
.rr .wide { flex: 1 1 22rem; }
.rr figure { margin: 0; min-width: 0; max-width: 32rem; }
.rr figcaption { color: var(--soft); font-size: 0.88em; overflow-wrap: anywhere; }
.rr svg.chart { width: 100%; height: auto; display: block; overflow: visible; }
.rr svg.chart * { stroke-linejoin: round; stroke-linecap: butt; }
.rr svg.chart text { font-family: inherit !important; }
.rr img { max-width: 100%; height: auto; display: block; }
.rr .map { width: 100%; image-rendering: pixelated; border: 1px solid var(--line); }
.rr .scroll { overflow-x: auto; margin: 0.6rem 0; }
.rr table { border-collapse: collapse; font-size: 0.93em; }
.rr caption { text-align: left; color: var(--soft); padding: 0.2rem 0; }
.rr.rr th, .rr.rr td { padding: 0.2rem 0.7rem 0.2rem 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--line); background: none; }
.rr tbody th { font-weight: 500; }
.rr.rr th.number, .rr.rr td.number { text-align: right; font-variant-numeric: tabular-nums; }
.rr td.number { white-space: nowrap; }
.rr .brief { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 4;
  overflow: hidden; }
.rr thead th { font-weight: 600; white-space: nowrap; }
.rr td { min-width: 3rem; }
.rr .name, .rr pre, .rr code { font-family: ui-monospace, "SF Mono", Menlo, Consolas,
  "DejaVu Sans Mono", monospace; font-size: 0.92em; }
.rr .name, .rr code { overflow-wrap: anywhere; }
.rr .scroll .name { white-space: nowrap; }
.rr pre { overflow-x: auto; background: var(--card); border: 1px solid var(--line);
  border-radius: 6px; padding: 0.6rem; line-height: 1.4; margin: 0.4rem 0; }
.rr pre mark { color: var(--warn-ink); background: var(--warn-paper); }
.rr details { margin: 0.6rem 0; }
.rr summary { cursor: pointer; font-weight: 500; }
.rr footer { margin-top: 2rem; overflow-wrap: anywhere; color: var(--soft); font-size: 0.88em; }
.rr .gallery { display: grid; gap: 0.9rem; align-items: start;
  grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); list-style: none; padding: 0; }
.rr .gallery li { background: var(--card); border: 1px solid var(--line); border-radius: 6px;
  padding: 0.5rem; font-size: 0.86em; line-height: 1.35; overflow-wrap: anywhere; }
.rr .gallery img, .rr .no-picture { width: 100%; aspect-ratio: 1; margin-bottom: 0.3rem; }
.rr .no-picture { display: flex; align-items: center; justify-content: center; text-align: center;
  color: var(--soft); border: 1px dashed var(--line); box-sizing: border-box; padding: 0.3rem; }
@media (max-width: 30rem) { .rr table { font-size: 0.84em; }
  .rr th, .rr td { padding-right: 0.45rem; } .rr td { min-width: 0; } }
@media print { .rr nav { display: none; } }
"""
