// Pictures in the page: keyed pieces of SVG, drawn anew, moved or taken away as an update says.
// Nothing here knows what a picture means. This file, `panels.js` and `view.js` are one module:
// `page.py` joins them, since a page that loads it from a blob can import nothing.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 960;
const KEYS = {
  ArrowRight: "step", n: "step", ArrowLeft: "back", b: "back", Home: "first", End: "now",
};
// A line drawn with the pointer counts as a cut from this length on, in units of the drawing.
const CUT = 50, SLIP = 8;

// The picture that an update leads to, or null when an earlier update was missed.
export function applied(known, update) {
  if (update.base !== 0 && (!known || known.number !== update.base)) return null;
  const before = update.base === 0 ? {} : known.pieces;
  const order = update.order ?? known.order;
  const fresh = Object.fromEntries(update.changed.map(piece => [piece.key, piece]));
  const pieces = {};
  for (const key of order) pieces[key] = fresh[key] ?? before[key];
  return {number: update.number, height: update.height, head: update.head, order, pieces};
}

// Which pieces must be drawn anew, moved or taken away to come from one picture to another.
export function difference(before, after) {
  const old = before ? before.pieces : {};
  const drawn = [], moved = [], gone = [];
  for (const key of after.order) {
    const was = old[key], is = after.pieces[key];
    if (!was) drawn.push(key);
    else if (was === is) continue;
    else if (JSON.stringify({...was, x: 0, y: 0}) !== JSON.stringify({...is, x: 0, y: 0})) {
      drawn.push(key);
      if (was.x !== is.x || was.y !== is.y) moved.push(key);
    } else if (was.x !== is.x || was.y !== is.y) moved.push(key);
  }
  for (const key of Object.keys(old)) if (!(key in after.pieces)) gone.push(key);
  return {drawn, moved, gone};
}

// The command that a key stands for, or null.
export function command(key) {
  return KEYS[key] ?? null;
}

// Attributes are always set in the same order, so that the same picture is the same markup.
function dress(group, piece) {
  const tab = group.getAttribute("tabindex") ?? "-1";
  for (const name of group.getAttributeNames()) group.removeAttribute(name);
  group.dataset.key = piece.key;
  group.setAttribute("transform", `translate(${piece.x} ${piece.y})`);
  for (const name of ["kind", "name", "state", "actor", "event"]) {
    if (piece[name] !== "" && piece[name] !== null) group.dataset[name] = piece[name];
  }
  if (piece.ring) group.dataset.changed = "true";
  if (piece.name) {
    group.setAttribute("role", "button");
    group.setAttribute("aria-label", piece.label || `${piece.kind} ${piece.name} ${piece.state}`);
    group.setAttribute("tabindex", tab);
  }
}

// A line drawn across the picture cuts the links that it crosses; `send` gets its two ends. It may
// begin anywhere, also on a thing: what moves less than a little stays a click.
function cutting(svg, send, allowed) {
  let start = null, stroke = null, drawn = false;
  const at = event => {
    const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    return [Math.round(place.x), Math.round(place.y)];
  };
  const far = to => Math.hypot(to[0] - start[0], to[1] - start[1]);
  const stop = () => { stroke?.remove(); start = stroke = null; };
  svg.addEventListener("pointerdown", event => {
    drawn = false;
    if (allowed() && !event.button) start = at(event);
  });
  svg.addEventListener("pointermove", event => {
    if (!start) return;
    const to = at(event);
    if (!stroke && far(to) < SLIP) return;
    if (!stroke) svg.setPointerCapture?.(event.pointerId);
    stroke?.remove();
    stroke = document.createElementNS(SVG, "path");
    stroke.setAttribute("class", "kl-cut");
    stroke.setAttribute("d", `M${start[0]} ${start[1]}L${to[0]} ${to[1]}`);
    svg.append(stroke);
  });
  svg.addEventListener("pointerup", event => {
    if (!start) return;
    const from = start, to = at(event);
    drawn = Boolean(stroke);
    const long = far(to) >= CUT;
    stop();
    if (drawn && long) send({command: "do", what: "cut", text: [...from, ...to].join(" ")});
  });
  svg.addEventListener("pointercancel", stop);
  return () => drawn;
}

function drawing(send) {
  const svg = document.createElementNS(SVG, "svg");
  const groups = {};
  let head = {};
  const selectable = () => [...svg.querySelectorAll("g[data-name]")];
  const select = group => send({command: "select", kind: group.dataset.kind, name: group.dataset.name});
  const cut = cutting(svg, send, () => head.cuts);
  svg.addEventListener("click", event => {
    if (cut()) return;
    const group = event.target.closest("g[data-name]");
    if (group) select(group);
  });
  svg.addEventListener("keydown", event => {
    const group = event.target.closest("g[data-name]");
    if (!group) return;
    const all = selectable(), at = all.indexOf(group);
    if (event.key === "Enter") select(group);
    else if (event.key === "ArrowDown" && all[at + 1]) all[at + 1].focus();
    else if (event.key === "ArrowUp" && all[at - 1]) all[at - 1].focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  // What the pointer is on in one view is marked in every view of the same cluster.
  const tell = group => document.dispatchEvent(new CustomEvent("kl-hover",
    {detail: {desk: head.desk, kind: group?.dataset.kind, name: group?.dataset.name}}));
  svg.addEventListener("pointerover", event => tell(event.target.closest("g[data-name]")));
  svg.addEventListener("pointerleave", () => tell(null));
  function hover({desk, kind, name}) {
    if (desk !== head.desk) return;
    for (const group of svg.querySelectorAll("g[data-hover]")) delete group.dataset.hover;
    if (!name) return;
    for (const group of selectable()) {
      if (group.dataset.kind === kind && group.dataset.name === name) group.dataset.hover = "true";
    }
  }
  function draw(before, after, selected) {
    const {drawn, moved, gone} = difference(before, after);
    const fresh = new Set(drawn);
    head = after.head;
    svg.setAttribute("viewBox", `0 0 ${WIDTH} ${after.height}`);
    svg.setAttribute("role", "group");
    svg.setAttribute("aria-label", after.head.alt);
    for (const key of gone) { groups[key]?.remove(); delete groups[key]; }
    for (const key of new Set([...drawn, ...moved])) {
      const piece = after.pieces[key];
      let group = groups[key];
      if (!group) group = groups[key] = document.createElementNS(SVG, "g");
      if (fresh.has(key)) group.innerHTML = piece.body;
      dress(group, piece);
    }
    const differs = new Set(after.head.differs ?? []);
    let place = null;
    for (const key of after.order) {
      const group = groups[key];
      const next = place ? place.nextSibling : svg.firstChild;
      if (next !== group) svg.insertBefore(group, next);
      place = group;
      if (differs.has(key)) group.dataset.differs = "true"; else if (group.dataset.differs) delete group.dataset.differs;
      const chosen = selected && group.dataset.kind === selected.kind && group.dataset.name === selected.name;
      if (chosen) group.setAttribute("class", "kl-selected"); else if (group.hasAttribute("class")) group.removeAttribute("class");
    }
    const all = selectable();
    if (all.length && !all.some(g => g.getAttribute("tabindex") === "0")) all[0].setAttribute("tabindex", "0");
  }
  return {svg, draw, hover};
}
