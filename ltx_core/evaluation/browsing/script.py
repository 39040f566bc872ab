"""The search of the first page: filter, sort and page over the data inside the page; no network."""

from __future__ import annotations

SEARCH = r"""
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const NAME = 0, LINK = 1, STILL = 2, CAPTION = 3, SPLIT = 4, BUCKET = 5, SOURCE = 6, ORIGIN = 7, FLAGS = 8,
    SCORES = 9, SECONDS = 10, SIZE = 60;
  const make = (tag, text, attributes) => {
    const node = document.createElement(tag);
    if (text !== undefined && text !== null) node.textContent = text;
    for (const [name, value] of Object.entries(attributes || {})) node.setAttribute(name, value);
    return node;
  };
  const tools = document.getElementById("tools");
  const field = (label, node) => {
    const box = make("label", label);
    box.append(node);
    tools.append(box);
    return node;
  };
  const pick = (label, options) => {
    const node = make("select");
    for (const [value, text] of options) node.append(make("option", text, { value }));
    return field(label, node);
  };
  const among = (label, of) => {
    const counts = new Map();
    for (const clip of data.clips) for (const value of [].concat(of(clip)))
      if (value) counts.set(value, (counts.get(value) || 0) + 1);
    const options = [...counts.keys()].sort().map((value) => [value, value + " (" + counts.get(value) + ")"]);
    return options.length > 1 || label === "Flag" ? pick(label, [["", "all"], ...options]) : null;
  };
  const words = field("Search names and captions", make("input", null, { type: "search" }));
  const filters = [
    [among("Split", (clip) => clip[SPLIT]), (clip) => [clip[SPLIT]]],
    [among("Bucket", (clip) => clip[BUCKET]), (clip) => [clip[BUCKET]]],
    [among("Caption from", (clip) => clip[ORIGIN]), (clip) => [clip[ORIGIN]]],
    [among("Flag", (clip) => clip[FLAGS]), (clip) => clip[FLAGS]],
  ].filter(([node]) => node);
  const keys = { order: null, name: (clip) => clip[NAME], length: (clip) => clip[SECONDS] };
  const orders = [["order", "order of the dataset"], ["name", "name"], ["length", "length"]];
  data.scores.forEach((name, index) => {
    keys["score" + index] = (clip) => clip[SCORES][index];
    orders.push(["score" + index, name.replaceAll("_", " ")]);
  });
  const order = pick("Sort by", orders);
  const falling = field("Falling", make("input", null, { type: "checkbox" }));
  let page = 0;

  const matching = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const kept = data.clips.filter((clip) => {
      if (filters.some(([node, of]) => node.value && !of(clip).includes(node.value))) return false;
      if (!wanted.length) return true;
      const text = (clip[NAME] + " " + clip[CAPTION] + " " + clip[SOURCE]).toLowerCase();
      return wanted.every((word) => text.includes(word));
    });
    const key = keys[order.value], sign = falling.checked ? -1 : 1;
    if (!key) return falling.checked ? kept.reverse() : kept;
    const known = kept.filter((clip) => key(clip) !== null);
    known.sort((a, b) => (key(a) < key(b) ? -sign : key(a) > key(b) ? sign : 0));
    return known.concat(kept.filter((clip) => key(clip) === null));
  };
  const card = (clip) => {
    const box = make("article", null, { class: clip[SPLIT] === "set aside" ? "card aside" : "card" });
    const title = make("h3");
    title.append(make("a", clip[NAME], { href: clip[LINK] }));
    box.append(title);
    const tile = make("div", null, { class: "tile" });
    tile.append(clip[STILL]
      ? make("img", null, { src: clip[STILL], alt: "A frame of " + clip[NAME], loading: "lazy" })
      : make("div", "no picture", { class: "blank" }));
    box.append(tile);
    const list = make("ul", null, { class: "badges" });
    for (const text of [clip[SPLIT], clip[BUCKET]]) if (text) list.append(make("li", text));
    for (const text of clip[FLAGS]) list.append(make("li", text, { class: "warn" }));
    box.append(list, make("p", clip[CAPTION], { class: "caption" }));
    if (order.value.startsWith("score"))
      box.append(make("p", order.selectedOptions[0].textContent + ": " + keys[order.value](clip)));
    return box;
  };
  const draw = () => {
    const found = matching(), pages = Math.max(1, Math.ceil(found.length / SIZE));
    page = Math.min(page, pages - 1);
    const where = pages > 1 ? "; page " + (page + 1) + " of " + pages : "";
    const count = found.length + " of " + data.clips.length + " clips";
    document.getElementById("found").textContent = count + where;
    const cards = found.slice(page * SIZE, (page + 1) * SIZE).map(card);
    document.getElementById("results").replaceChildren(...cards);
    const pager = document.getElementById("pager");
    pager.replaceChildren();
    if (pages < 2) return;
    for (const [text, step] of [["Back", -1], ["Next", 1]]) {
      const button = make("button", text, { type: "button" });
      button.disabled = page + step < 0 || page + step >= pages;
      button.addEventListener("click", () => {
        page += step;
        draw();
        document.getElementById("clips").scrollIntoView();
      });
      pager.append(button);
    }
  };
  for (const node of [words, order, falling, ...filters.map(([node]) => node)])
    node.addEventListener("input", () => { page = 0; draw(); });
  draw();
})();
"""
"""Trusted text: it takes the data as JSON and writes texts, never markup."""
