"""What the pages of a dataset add to the report's style sheet."""

from __future__ import annotations

from ltx_core.evaluation.report_style import STYLE

MAX_LOOKS = 12
"""Ways to look at one clip that the style sheet tells apart."""

_SHOWN = ",\n".join(
    f".looks input:nth-of-type({n}):checked ~ .look:nth-of-type({n})" for n in range(1, MAX_LOOKS + 1)
)

BROWSE_STYLE = (
    STYLE
    + """
body { max-width: 92rem; }
a:focus-visible, input:focus-visible, select:focus-visible, button:focus-visible, summary:focus-visible,
video:focus-visible, .scroll:focus-visible { outline: .18rem solid var(--link); outline-offset: .12rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr)); gap: 1rem; }
.card { background: var(--card); border-radius: .5rem; padding: .8rem; min-width: 0; }
.card h3 { margin: 0 0 .4rem; }
.card p { margin: .3rem 0; }
.card.aside { border-left: .3rem solid var(--bad-edge); }
.own { max-width: 68rem; }
.badges { display: flex; flex-wrap: wrap; gap: .3rem; padding: 0; margin: .4rem 0; list-style: none; }
.badges li { border: 1px solid var(--rule); border-radius: 1rem; padding: 0 .5rem; font-size: .8rem;
  color: var(--soft); }
.badges li.warn { border-color: var(--bad-edge); background: var(--bad); color: var(--ink); }
.looks { border: 0; margin: 0; padding: 0; min-width: 0; }
.looks legend { font-size: .8rem; color: var(--soft); padding: 0; }
.looks label { font-size: .85rem; margin-right: .5rem; cursor: pointer; }
.looks .look { display: none; margin-top: .3rem; }
.look img, .look video, .tile img { width: 100%; display: block; border-radius: .3rem; background: #000;
  max-height: 22rem; object-fit: contain; }
.look img { image-rendering: auto; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 15rem), 1fr)); gap: .8rem; }
.blank { display: grid; place-items: center; min-height: 7rem; border: 1px dashed var(--rule);
  border-radius: .3rem; color: var(--soft); font-size: .9rem; padding: .5rem; text-align: center; }
.scores { display: grid; grid-template-columns: max-content 1fr max-content; gap: .1rem .5rem;
  align-items: center; font-size: .8rem; margin: .4rem 0; }
.bar { position: relative; height: .6rem; background: var(--rule); border-radius: .3rem; overflow: hidden;
  min-width: 3rem; }
.bar .fill { position: absolute; inset: 0 auto 0 0; background: var(--blue); }
.bar.beyond .fill { background: var(--bad-edge); }
.bar .tick { position: absolute; top: 0; bottom: 0; width: 2px; background: var(--ink); }
.counts td .bar { min-width: 8rem; }
.facts { display: grid; grid-template-columns: max-content 1fr; gap: .1rem .7rem; font-size: .85rem;
  margin: .4rem 0; }
.facts dt { color: var(--soft); }
.facts dd { margin: 0; }
.caption { white-space: pre-line; }
.tools { display: flex; flex-wrap: wrap; gap: .5rem .9rem; align-items: end; margin: .6rem 0; }
.tools label { font-size: .85rem; color: var(--soft); display: grid; gap: .1rem; }
.tools input, .tools select, .tools button { font: inherit; color: var(--ink); background: var(--page);
  border: 1px solid var(--rule); border-radius: .3rem; padding: .25rem .5rem; max-width: 100%; }
.pager { display: flex; flex-wrap: wrap; gap: .3rem .8rem; margin: .8rem 0; align-items: center; }
.tile { min-width: 0; }
"""
    + _SHOWN
    + " { display: block; }\n"
)
