"use strict";
for (const list of document.querySelectorAll("[data-items]")) {
  const words = list.querySelector("input"), kind = list.querySelector("select"), said = list.querySelector("output");
  const items = [...list.querySelectorAll("details.item")];
  const texts = items.map((item) => item.textContent.toLowerCase());
  const sift = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    items.forEach((item, place) => {
      const fits = kind.value === "all" || item.dataset.kind === kind.value ||
        (kind.value === "unreadable" && item.dataset.unreadable === "1");
      const shown = fits && wanted.every((word) => texts[place].includes(word));
      item.hidden = !shown;
      count += shown;
    });
    said.textContent = count + " of " + items.length + " shown";
  };
  words.addEventListener("input", sift);
  kind.addEventListener("change", sift);
  sift();
}
for (const table of document.querySelectorAll("[data-rows]")) {
  const words = table.querySelector("input"), rows = [...table.querySelectorAll("tbody tr")];
  const texts = rows.map((row) => row.textContent.toLowerCase());
  words.addEventListener("input", () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    rows.forEach((row, place) => { row.hidden = !wanted.every((word) => texts[place].includes(word)); });
  });
}
for (const box of document.querySelectorAll("[data-tree]")) {
  const known = JSON.parse(box.querySelector("script").textContent);
  const svg = box.querySelector("svg"), panel = box.querySelector(".panel");
  const nodes = known.map((_, place) => document.getElementById(box.dataset.tree + place));
  const children = known.map(() => []);
  known.forEach((each, place) => each.parents.forEach((parent) => children[parent].push(place)));
  let here = -1, pinned = -1;
  const line = (name, text) => {
    const row = document.createElement("div"), head = document.createElement("b");
    head.textContent = name + ": ";
    row.append(head, text);
    return row;
  };
  const show = (place) => {
    if (place < 0 || place >= known.length || place === here) return;
    if (here >= 0) {
      nodes[here].classList.remove("here");
      known[here].parents.forEach((parent) => nodes[parent].classList.remove("kin"));
    }
    here = place;
    const each = known[place];
    nodes[place].classList.add("here");
    each.parents.forEach((parent) => nodes[parent].classList.add("kin"));
    svg.setAttribute("aria-activedescendant", nodes[place].id);
    const text = document.createElement("pre");
    text.dir = "auto";
    text.textContent = each.text;
    const rows = [
      line("Candidate", each.number + " of " + (known.length - 1) + " (" + each.id + ")" + (each.lit ? ", on the way to the winner" : "")),
      line("Score", each.score + (each.n ? " on " + each.n : "") + (each.dev ? "; dev " + each.dev : "")),
      line("Operator", each.operator || "-"),
      line("Parents", each.parents.length ? each.parents.join(", ") : "-"),
    ];
    if (each.note) rows.push(line("Note", each.note));
    panel.replaceChildren(...rows, text);
  };
  const at = (event) => nodes.indexOf(event.target);
  svg.addEventListener("pointerover", (event) => { const place = at(event); if (place >= 0) show(place); });
  svg.addEventListener("pointerleave", () => { if (pinned >= 0) show(pinned); });
  svg.addEventListener("click", (event) => { const place = at(event); if (place >= 0) { pinned = place; show(place); } });
  svg.addEventListener("keydown", (event) => {
    const winner = known.findLastIndex((each) => each.lit);
    const next = {
      ArrowRight: here + 1, ArrowLeft: here - 1, ArrowUp: here >= 0 ? known[here].parents[0] : 0,
      ArrowDown: here >= 0 ? children[here][0] : 0, Home: 0, End: winner,
    }[event.key];
    if (next === undefined) { if (event.key.startsWith("Arrow")) event.preventDefault(); return; }
    event.preventDefault();
    show(next);
    pinned = here;
  });
  svg.addEventListener("focus", () => { if (here < 0) show(0); });
  pinned = known.findLastIndex((each) => each.lit);
  show(pinned < 0 ? 0 : pinned);
}
