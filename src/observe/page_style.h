// observe/page_style.h
//
// How the page of a report looks, and the script that shows at once what is pointed at. Without
// the script the browser's own tooltips say the same.
//
// Colours are told apart by people who see fewer of them (after Okabe and Ito), and each line has
// a dash of its own. Paper is always light.

#pragma once

namespace backfill {

inline constexpr const char* kPageStyle = R"css(
:root{color-scheme:light;--page:#f7f8f8;--card:#fff;--ink:#1b2226;--dim:#5a666d;--edge:#dfe3e5;
--grid:#e8ebec;--good:#00704f;--warn:#8a5a00;--bad:#b3261e;--shade:#f3e7cf;--stroke:#b98a2c;
--c0:#0067a3;--c1:#c24a00;--c2:#00806a;--c3:#a0437f;--c4:#7a6a00;--c5:#4c5861}
@media screen and (prefers-color-scheme:dark){:root{color-scheme:dark;--page:#12171a;--card:#1a2125;
--ink:#e7ebed;--dim:#a0adb4;--edge:#2f393f;--grid:#283136;--good:#4fd0a0;--warn:#f0c060;--bad:#ff8a80;
--shade:#3a3222;--stroke:#c79a45;--c0:#5db5f0;--c1:#ff9052;--c2:#3fd0ae;--c3:#ee92cd;--c4:#e5d04f;
--c5:#b8c4cb}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:76rem;margin:0 auto;padding:1.6rem 1.2rem 3rem}
h1{font-size:1.55rem;line-height:1.25;margin:0;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:2.2rem 0 .8rem}
h3{font-size:.95rem;margin:0}
p{margin:.3rem 0}
.dim,figcaption p,footer{color:var(--dim)}
.head{display:flex;flex-wrap:wrap;gap:.5rem 1rem;align-items:center}
.state{border:1.5px solid;border-radius:99px;padding:.1rem .75rem;font-weight:600;white-space:nowrap}
.good{color:var(--good)}.warn{color:var(--warn)}.bad{color:var(--bad)}
.reason{font-size:1.05rem;overflow-wrap:anywhere}
.track{height:.55rem;border-radius:99px;background:var(--edge);overflow:hidden;margin:.9rem 0 .3rem}
.track i{display:block;height:100%;background:var(--c0)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr));gap:.7rem;margin:1.1rem 0}
.spaced{white-space:pre-wrap}.definitions{position:absolute;width:0;height:0}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,30rem),1fr));column-gap:2rem;margin:0}
.facts div{display:grid;grid-template-columns:7.5rem 1fr;gap:.6rem;padding:.3rem 0;
border-bottom:1px solid var(--grid)}
.facts div:last-child{border-bottom:0}
.facts dt{color:var(--dim);font-weight:600}.facts dd{margin:0;overflow-wrap:anywhere;min-width:0}
.tiles div,.chart,.card{background:var(--card);border:1px solid var(--edge);border-radius:10px}
.tiles div{padding:.6rem .8rem}
.tiles b{display:block;font-size:1.3rem;line-height:1.3;font-variant-numeric:tabular-nums}
.tiles span,.tiles small{display:block;color:var(--dim);font-size:.82rem;overflow-wrap:anywhere}
.card{font-size:.92rem;padding:.4rem .9rem;overflow-x:auto}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,30rem),1fr));gap:1rem}
.chart{display:flex;flex-direction:column;margin:0;padding:.8rem 1rem .4rem;min-width:0;break-inside:avoid}
figcaption{font-size:.88rem;margin-bottom:1.3rem}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.1rem 1.1rem;margin:.25rem 0 0;padding:0}
.legend li{overflow-wrap:anywhere}.legend b{font-weight:600}
.legend svg{vertical-align:.05rem;margin-right:.4rem}
.plot{display:block;overflow:visible;width:calc(100% - 3.9rem);margin:auto .7rem 2.3rem 3.2rem;
touch-action:pan-y}
.plot text{font-size:11px;fill:var(--dim);font-variant-numeric:tabular-nums}
.plot .y{text-anchor:end}.plot .x,.plot .number{text-anchor:middle}
.plot .day,.plot .number{font-weight:600}
.grid{stroke:var(--grid)}.base,.tick{stroke:var(--dim)}
.hatch-ground{fill:var(--shade)}.hatch-line{stroke:var(--stroke);stroke-width:1.2;opacity:.55}
.pause rect{fill:url(#hatch)}
.pause text{fill:var(--ink);font-weight:600;paint-order:stroke;stroke:var(--shade);stroke-width:4px}
.absence{stroke:var(--ink);stroke-dasharray:2 4;stroke-width:1.5}
.line{fill:none;stroke-width:1.8;vector-effect:non-scaling-stroke;stroke-linejoin:round}
.band{opacity:.2}.area{opacity:.85}
.c0{stroke:var(--c0)}.c1{stroke:var(--c1);stroke-dasharray:7 3}.c2{stroke:var(--c2);stroke-dasharray:2 3}
.c3{stroke:var(--c3);stroke-dasharray:9 3 2 3}.c4{stroke:var(--c4);stroke-dasharray:4 2}
.c5{stroke:var(--c5);stroke-dasharray:1 3}
.band,.area{stroke:none}
.band.c0,.area.c0{fill:var(--c0)}.band.c1,.area.c1{fill:var(--c1)}.band.c2,.area.c2{fill:var(--c2)}
.band.c3,.area.c3{fill:var(--c3)}.band.c4,.area.c4{fill:var(--c4)}.band.c5,.area.c5{fill:var(--c5)}
.stacked .legend .line{stroke-width:9;stroke-dasharray:none}
.limit{stroke:var(--bad);stroke-width:1.4;stroke-dasharray:6 4;fill:none}
.hit{fill:transparent}.hair{fill:var(--ink);opacity:0;pointer-events:none}
#tip{position:fixed;z-index:1;left:0;top:0;display:none;max-width:min(24rem,90vw);padding:.45rem .65rem;
border-radius:7px;background:var(--ink);color:var(--page);font-size:.82rem;line-height:1.4;
white-space:pre-line;pointer-events:none;overflow-wrap:anywhere}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.4rem .9rem .4rem 0;border-bottom:1px solid var(--grid);vertical-align:top;
overflow-wrap:anywhere}
th{font-weight:600;color:var(--dim);white-space:nowrap}
.card+p{margin-top:1rem}td.wide{vertical-align:middle}
tr:last-child>*{border-bottom:0}
th.n{width:7rem}
.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td.at{white-space:nowrap}
.bar{display:block;height:.55rem;border-radius:3px;background:var(--c0);min-width:1px}
.wide{width:38%}
summary{cursor:pointer;padding:.35rem 0}
footer{margin-top:2.5rem;font-size:.85rem}
@media (max-width:34rem){main{padding:1rem .8rem 2rem}.facts div{grid-template-columns:5.6rem 1fr}
.tiles{grid-template-columns:1fr 1fr}.wide{width:20%}td.at{white-space:normal}
.card{padding:.3rem .7rem}}
@page{margin:14mm}
@media print{body{background:#fff;font-size:10.5pt}main{max-width:none;padding:0 1px}
.charts{grid-template-columns:1fr 1fr}.tiles{grid-template-columns:repeat(6,1fr)}
.tiles div{padding:.4rem .5rem}.tiles b{font-size:1rem}h2{margin-top:1.4rem}.tiles div,.card,tr{break-inside:avoid}h2{break-after:avoid}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
)css";

inline constexpr const char* kPageScript = R"js(
'use strict';
const tip = document.getElementById('tip');
// Ours comes at once, and the browser's own would lie over it.
for (const title of document.querySelectorAll('.hit > title')) {
  title.parentNode.dataset.note = title.textContent;
  title.remove();
}
const hairs = document.querySelectorAll('.hair');
function hide() {
  tip.style.display = 'none';
  for (const hair of hairs) hair.style.opacity = 0;
}
function show(event) {
  const hit = event.target.closest('.hit');
  if (!hit) return hide();
  tip.textContent = hit.dataset.note;
  tip.style.display = 'block';
  const left = event.clientX + 14 + tip.offsetWidth < innerWidth
      ? event.clientX + 14 : event.clientX - 14 - tip.offsetWidth;
  const top = event.clientY + 16 + tip.offsetHeight < innerHeight
      ? event.clientY + 16 : event.clientY - 16 - tip.offsetHeight;
  tip.style.transform = `translate(${Math.max(4, left)}px,${Math.max(4, top)}px)`;
  // The same moment in every chart.
  for (const hair of hairs) {
    hair.setAttribute('x', hit.getAttribute('x'));
    hair.setAttribute('width', hit.getAttribute('width'));
    hair.style.opacity = .22;
  }
}
document.addEventListener('pointermove', show);
document.addEventListener('pointerdown', show);
document.addEventListener('pointerleave', hide);
document.addEventListener('scroll', hide, {passive: true});
)js";

}  // namespace backfill
