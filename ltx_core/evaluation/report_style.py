"""The report's style sheet: one column on a phone, light and dark by the reader's own setting."""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #ffffff; --card: #f6f8fa; --ink: #24292f; --soft: #57606a; --rule: #d0d7de; --link: #0550ae;
  --blue: #0072b2; --orange: #c98400; --green: #009e73; --purple: #b25a8c;
  --good: #e3f5ec; --good-edge: #009e73; --bad: #fff3dc; --bad-edge: #d55e00;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14171a; --card: #1e2328; --ink: #e6e9ec; --soft: #a3adb8; --rule: #3b444d; --link: #79b8ff;
    --blue: #56b4e9; --orange: #e69f00; --green: #2fc79a; --purple: #e29fc4;
    --good: #12332a; --good-edge: #2fc79a; --bad: #3a2a10; --bad-edge: #ff9a4d;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 1rem; max-width: 68rem; background: var(--page); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; overflow-wrap: anywhere;
}
h1 { font-size: 1.6rem; line-height: 1.2; margin: .5rem 0; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .6rem; padding-top: .8rem; border-top: 1px solid var(--rule); }
h3 { font-size: 1rem; margin: 1.2rem 0 .4rem; }
.group h3 { margin-top: 0; }
p { margin: .4rem 0 .8rem; max-width: 46rem; }
a { color: var(--link); }
.soft, figcaption { color: var(--soft); font-size: .9rem; }
.verdict { padding: .8rem 1rem; border-left: .4rem solid var(--bad-edge); background: var(--bad); }
.verdict.good { border-color: var(--good-edge); background: var(--good); }
.verdict p { margin: .2rem 0; max-width: none; }
.verdict .lead { font-size: 1.15rem; font-weight: 600; }
nav ul { display: flex; flex-wrap: wrap; gap: .2rem 1rem; padding: 0; list-style: none; font-size: .9rem; }
.numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(8rem, 1fr)); gap: .6rem;
  margin: 1rem 0; }
.numbers div { background: var(--card); border-radius: .5rem; padding: .6rem .8rem; }
.numbers dt { color: var(--soft); font-size: .85rem; }
.numbers dd { margin: 0; font-size: 1.3rem; font-weight: 600; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: 1rem; }
.plots figure { max-width: 36rem; }
.plots > div { min-width: 0; }
figure { margin: 0; min-width: 0; }
svg { width: 100%; height: auto; display: block; }
.group { background: var(--card); border-radius: .5rem; padding: .8rem; margin: 0 0 1rem; }
.group blockquote { margin: 0 0 .6rem; padding-left: .7rem; border-left: .2rem solid var(--rule); }
.videos { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .6rem; }
.videos figure { max-width: 22rem; }
video { width: 100%; display: block; border-radius: .3rem; background: #000; min-height: 7rem;
  object-fit: contain; }
audio { width: 100%; display: block; }
.sheets figure { margin-top: .6rem; }
.sheets img { width: 100%; display: block; border-radius: .3rem; }
.sheets .strip { overflow-x: auto; }
.sheets .strip img { min-width: 26rem; }
.scroll { overflow-x: auto; margin: .4rem 0 1rem; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { text-align: left; padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--rule);
  vertical-align: top; }
th { color: var(--soft); font-weight: 600; vertical-align: bottom; }
th, td { overflow-wrap: normal; }
td.name { white-space: nowrap; }
td.value { overflow-wrap: anywhere; min-width: 9rem; }
th.number, td.number { text-align: right; padding-left: .4rem; }
td.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
details { margin: .4rem 0 1rem; }
summary { cursor: pointer; color: var(--link); }
pre { overflow-x: auto; background: var(--card); padding: .8rem; border-radius: .5rem; font-size: .8rem;
  line-height: 1.4; overflow-wrap: normal; }
"""
