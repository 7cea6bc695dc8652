// The page's side of every view: it draws keyed pieces, shows words, and sends commands back.
// It knows nothing of Kubernetes; all pictures and sentences come ready from Python. One module,
// without imports, so that it can be loaded from anywhere.

const SVG = "http://www.w3.org/2000/svg";
// So long the kernel may take to answer before the view says so.
const PATIENCE_MS = 15000;
const RUNGS = ["message", "decision", "outcome"];
const KEYS = {
  ArrowRight: "step", n: "step", ArrowLeft: "back", b: "back", Home: "first", End: "now",
};

// The picture that an update leads to, or null when an earlier update was missed.
export function applied(known, update) {
  if (update.base !== 0 && (!known || known.number !== update.base)) return null;
  const before = update.base === 0 ? {} : known.pieces;
  const fresh = Object.fromEntries(update.changed.map(piece => [piece.key, piece]));
  const pieces = {};
  for (const key of update.order) pieces[key] = fresh[key] ?? before[key];
  return {number: update.number, height: update.height, head: update.head, order: update.order, pieces};
}

// Which pieces must be drawn anew, moved or taken away to come from one picture to another.
export function difference(before, after) {
  const old = before ? before.pieces : {};
  const drawn = [], moved = [], gone = [];
  for (const key of after.order) {
    const was = old[key], is = after.pieces[key];
    if (!was) drawn.push(key);
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

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") node.textContent = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
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

function drawing(send) {
  const svg = document.createElementNS(SVG, "svg");
  const groups = {};
  const selectable = () => [...svg.querySelectorAll("g[data-name]")];
  const select = group => send({command: "select", kind: group.dataset.kind, name: group.dataset.name});
  svg.addEventListener("click", event => {
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
  function draw(before, after, selected) {
    const {drawn, moved, gone} = difference(before, after);
    svg.setAttribute("viewBox", `0 0 960 ${after.height}`);
    svg.setAttribute("role", "group");
    svg.setAttribute("aria-label", after.head.alt);
    for (const key of gone) { groups[key]?.remove(); delete groups[key]; }
    for (const key of [...drawn, ...moved]) {
      const piece = after.pieces[key];
      let group = groups[key];
      if (!group) group = groups[key] = document.createElementNS(SVG, "g");
      if (drawn.includes(key)) group.innerHTML = piece.body;
      dress(group, piece);
    }
    let place = null;
    for (const key of after.order) {
      const group = groups[key];
      const next = place ? place.nextSibling : svg.firstChild;
      if (next !== group) svg.insertBefore(group, next);
      place = group;
      if (after.head.differs?.includes(key)) group.dataset.differs = "true"; else delete group.dataset.differs;
      const chosen = selected && group.dataset.kind === selected.kind && group.dataset.name === selected.name;
      if (chosen) group.setAttribute("class", "kl-selected"); else group.removeAttribute("class");
    }
    const all = selectable();
    if (all.length && !all.some(g => g.getAttribute("tabindex") === "0")) all[0].setAttribute("tabindex", "0");
  }
  return {svg, draw};
}

function table(columns, rows) {
  const head = make("tr", {}, ...columns.map(text => make("th", {scope: "col", text})));
  const body = rows.map(row => make("tr", {}, ...row.map(text => make("td", {text}))));
  return make("table", {}, ...(columns.length ? [make("thead", {}, head)] : []), make("tbody", {}, ...body));
}

function dot(actor) {
  const mark = make("span", {class: "kl-dot", "aria-hidden": "true"});
  mark.style.background = `var(--kl-${actor})`;
  return mark;
}

function controls(send, toggle) {
  const button = (text, label, act, extra = {}) =>
    make("button", {type: "button", text, "aria-label": label, title: label, onclick: act, ...extra});
  const first = button("|◀ First", "First", () => send({command: "first"}));
  const mine = button("↶ My last act", "My last act", () => send({command: "mine"}));
  const back = button("◀ Back", "Back", () => send({command: "back"}));
  const step = button("Step ▶", "Step", () => send({command: "step"}), {class: "kl-main"});
  const now = button("Now ▶|", "Now", () => send({command: "now"}));
  const run = button("Run 10 s", "Run 10 s", () => send({command: "run", seconds: 10}));
  const settle = button("Settle", "Settle", () => send({command: "settle"}));
  const act = button("", "", () => send({command: "act"}), {hidden: ""});
  const by = make("select", {"aria-label": "Step by", onchange: e => send({command: "climb", by: e.target.value})},
    ...RUNGS.map(text => make("option", {value: text, text: `by ${text}`})));
  const scrub = make("input", {type: "range", min: 1, "aria-label": "Place in the past",
    onchange: e => send({command: "scrub", position: Number(e.target.value)})});
  const fork = button("Fork", "Fork: what if", () => send({command: "fork"}));
  const rewind = button("Rewind here", "Rewind here", () => {
    if (rewind.dataset.sure) send({command: "rewind"});
    rewind.dataset.sure = rewind.dataset.sure ? "" : "yes";
    rewind.textContent = rewind.dataset.sure ? "Really? What came later is lost" : "Rewind here";
  });
  const story = button("Story", "Story", () => send({command: "story"}));
  const apply = button("Apply…", "Apply", () => toggle("apply"), {"aria-expanded": "false"});
  const why = button("Why?", "Why?", () => toggle("why"), {"aria-expanded": "false"});
  const words = button("Table", "Table", () => toggle("table"), {"aria-expanded": "false"});
  const bar = make("div", {class: "kl-bar", role: "toolbar", "aria-label": "Stepping"},
    first, mine, back, step, now, run, settle, act, by, scrub, why, words, fork, rewind, story, apply);
  function show(head) {
    by.value = head.by;
    scrub.max = Math.max(head.stops, 1);
    scrub.value = Math.max(head.position, 1);
    scrub.disabled = head.stops < 2;
    act.hidden = !head.action;
    act.textContent = head.action;
    act.setAttribute("aria-label", head.action || "none");
    now.disabled = head.mode === "now";
    rewind.hidden = head.mode !== "past";
    if (head.mode !== "past") { rewind.dataset.sure = ""; rewind.textContent = "Rewind here"; }
    apply.hidden = head.kind !== "dashboard";
  }
  return {bar, show, why, words};
}

function facts(send, selected) {
  const side = make("aside", {class: "kl-side", "aria-label": "Selected thing"});
  side.append(make("h4", {text: selected.title}), table([], selected.rows));
  if (selected.kubectl) {
    side.append(make("div", {class: "kl-muted", text: "The same on a real cluster:"}),
      make("code", {text: selected.kubectl}));
  }
  if (selected.yaml) side.append(make("details", {}, make("summary", {text: "YAML"}), make("pre", {text: selected.yaml})));
  const row = make("div", {class: "kl-bar"});
  for (const [text, what] of selected.actions ?? []) {
    row.append(make("button", {type: "button", text,
      onclick: () => send({command: "do", what, kind: selected.kind, name: selected.name})}));
  }
  if (selected.event) {
    row.append(make("button", {type: "button", text: "Last change", "aria-label": "Last change of it",
      onclick: () => send({command: "jump", event: selected.event})}));
  }
  row.append(make("button", {type: "button", text: "Close", onclick: () => send({command: "select", kind: ""})}));
  side.append(row);
  return side;
}

function chain(send, links) {
  const items = links.map(link => link.event
    ? make("button", {type: "button", title: link.text, "data-event": link.event, "data-actor": link.actor,
        onclick: () => send({command: "jump", event: link.event})}, dot(link.actor), `${link.who}: ${link.verb}`)
    : make("span", {class: "kl-muted", text: link.verb}));
  const parts = [];
  items.forEach((item, at) => { if (at) parts.push("▸"); parts.push(item); });
  return make("div", {class: "kl-chain", "aria-label": "Chain of causes"},
    make("span", {class: "kl-muted", text: links.length ? "Because:" : ""}), ...parts);
}

function effects(send, links) {
  if (!links?.length) return [];
  return [make("div", {class: "kl-muted", text: "What followed:"}), reasons(send, links)];
}

function orders(send) {
  const area = make("textarea", {rows: 6, "aria-label": "Manifest (YAML)", placeholder: "A manifest in YAML"});
  const line = make("input", {type: "text", "aria-label": "Pod and URL", placeholder: "default/client web/"});
  const button = (text, act) => make("button", {type: "button", text, onclick: act});
  return make("div", {class: "kl-orders"}, area,
    make("div", {class: "kl-bar"}, button("Apply it", () => send({command: "do", what: "apply", text: area.value})),
      make("label", {text: "Run a request: "}, line),
      button("Send", () => send({command: "do", what: "request", text: line.value}))));
}

function reasons(send, links) {
  return make("ol", {class: "kl-why"}, ...links.map(link => make("li", {},
    make("span", {class: "kl-muted", text: `${link.clock} `}),
    link.actor ? dot(link.actor) : "", make("span", {text: `${link.text} `}),
    link.event ? make("button", {type: "button", text: "go there", "aria-label": `Go to event ${link.event}`,
      onclick: () => send({command: "jump", event: link.event})}) : "")));
}

function sentence(head) {
  const said = head.sentence;
  const who = make("span", {class: "kl-who", text: said.who});
  who.style.background = `var(--kl-${said.actor})`;
  who.style.color = `var(--kl-on-${said.actor})`;
  const more = head.between ? ` (${head.between} other event${head.between === 1 ? "" : "s"} in between)` : "";
  const part = head.parts > 1 ? ` [part ${head.part} of ${head.parts}]` : "";
  return [said.who ? who : "", make("span", {text: said.text}),
    make("span", {class: "kl-muted", text: part + more})];
}

function attention(send, rows) {
  if (!rows) return [];
  const items = rows.map(row => make("button", {type: "button", "data-kind": row.kind, "data-name": row.name,
    onclick: () => send({command: "select", kind: row.kind, name: row.name}), text: `${row.text}: why?`}));
  return [make("span", {class: "kl-muted", text: rows.length ? "Needs attention:" : "Nothing needs attention."}), ...items];
}

function title(head) {
  const parts = [make("b", {text: head.title}), make("span", {text: head.clock})];
  if (head.revision !== null && head.revision !== undefined) parts.push(make("span", {text: `revision ${head.revision}`}));
  parts.push(make("span", {text: `event ${head.event} of ${head.total}`}));
  if (head.mode === "past") parts.push(make("span", {class: "kl-badge", text: "past"}));
  if (head.mode === "fork") parts.push(make("span", {class: "kl-badge", text: "what if"}));
  return parts;
}

function render({model, el, signal}) {
  const root = make("div", {class: "kl", tabindex: "0", role: "group", "data-lm-suppress-shortcuts": "true"});
  let waiting = null;
  const send = message => {
    model.send(message);
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      parts.alert.textContent = "No answer: the kernel is busy or gone. Wait, or run the cell again.";
    }, PATIENCE_MS);
  };
  const open = {why: false, table: false, apply: false};
  let shown = null;
  const toggle = name => { open[name] = !open[name]; if (shown) words(shown.head); };
  const parts = {title: make("div", {class: "kl-title"}), tools: controls(send, toggle), stage: drawing(send)};
  parts.holder = make("div", {class: "kl-drawing"}, parts.stage.svg);
  parts.body = make("div", {class: "kl-body"}, parts.holder);
  parts.attention = make("div", {class: "kl-bar kl-attention", role: "group", "aria-label": "What needs attention", hidden: ""});
  parts.sentence = make("div", {class: "kl-sentence", "aria-live": "polite", role: "status"});
  parts.alert = make("div", {class: "kl-alert", role: "alert"});
  parts.chain = make("div");
  parts.why = make("div");
  parts.orders = make("div", {hidden: ""}, orders(send));
  parts.story = make("pre", {class: "kl-story", hidden: ""});
  parts.tables = make("div", {class: "kl-tables"});
  root.append(parts.title, parts.tools.bar, parts.attention, parts.sentence, parts.alert, parts.body, parts.chain, parts.why, parts.orders, parts.story, parts.tables);

  function words(head) {
    parts.title.replaceChildren(...title(head));
    parts.tools.show(head);
    parts.attention.hidden = !head.attention;
    parts.attention.replaceChildren(...attention(send, head.attention));
    parts.sentence.replaceChildren(...sentence(head));
    if (parts.alert.textContent !== head.alert) parts.alert.textContent = head.alert;
    parts.chain.replaceChildren(chain(send, head.chain));
    parts.why.replaceChildren(...(open.why ? [reasons(send, head.chain), ...effects(send, head.followed)] : []));
    parts.orders.hidden = !open.apply;
    parts.tables.replaceChildren(...(open.table ? head.tables.flatMap(t => [make("h4", {text: t.caption}), table(t.columns, t.rows)]) : []));
    parts.tools.why.setAttribute("aria-expanded", String(open.why));
    parts.tools.words.setAttribute("aria-expanded", String(open.table));
    root.querySelector(".kl-side")?.remove();
    if (head.selected) parts.body.append(facts(send, head.selected));
    Object.assign(root.dataset, {view: head.kind, event: head.event, focus: head.focus, time: head.clock,
      revision: head.revision ?? "", mode: head.mode, part: head.part});
    root.setAttribute("aria-label", `View ${head.title}`);
  }
  function take(update) {
    const next = applied(shown, update);
    if (!next) { send({command: "whole"}); return; }
    parts.stage.draw(update.base === 0 && !shown ? null : shown, next, next.head.selected);
    shown = next;
    words(next.head);
  }
  const heard = message => {
    clearTimeout(waiting);
    if (message.update) take(message.update);
    if (message.story) { parts.story.hidden = false; parts.story.textContent = message.story; }
    if (message.fork) beside(message.fork);
    if (message.alert) parts.alert.textContent = message.alert;
  };
  // A what-if is a widget of its own, shown below the view that it was forked from.
  async function beside(id) {
    const child = await model.widget_manager.get_model(id);
    const view = await model.widget_manager.create_view(child);
    parts.fork?.remove();
    parts.fork = make("div", {class: "kl-beside"});
    parts.fork.append(view.el);
    el.append(parts.fork);
  }
  model.on("msg:custom", heard);
  root.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName)) return;
    const verb = command(event.key);
    if (verb) send({command: verb});
    else if (event.key === "w") toggle("why");
    else if (event.key === "f") send({command: "fork"});
    else if (event.key === "Escape") { root.blur(); document.activeElement?.blur?.(); }
    else if (event.key === "t") toggle("table");
    else return;
    event.preventDefault();
  }, {signal});
  el.append(root);
  take({...model.get("whole"), base: 0});
  send({command: "whole"});
  return () => {
    clearTimeout(waiting);
    model.off("msg:custom", heard);
  };
}

export default {render};
