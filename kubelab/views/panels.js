// What stands around a picture: sentence, chain of causes, tables, the selected thing, the view's
// own inputs, the question of a view that is played. All words come ready from Python.

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

function button(text, act, extra = {}) {
  return make("button", {type: "button", text, onclick: act, ...extra});
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

function facts(send, selected) {
  const side = make("aside", {class: "kl-side", "aria-label": "Selected thing"});
  side.append(make("h4", {text: selected.title}), table([], selected.rows));
  if (selected.changes?.length) {
    side.append(make("h4", {text: "Changed by this step"}), table(["field", "old", "new"], selected.changes));
  }
  if (selected.kubectl) {
    side.append(make("div", {class: "kl-muted", text: "The same on a real cluster:"}),
      make("code", {text: selected.kubectl}));
  }
  if (selected.yaml) {
    side.append(make("details", {}, make("summary", {text: "YAML"}), make("pre", {tabindex: "0", text: selected.yaml})));
  }
  const row = make("div", {class: "kl-bar"});
  for (const [text, what] of selected.actions ?? []) {
    row.append(button(text, () => send({command: "do", what, kind: selected.kind, name: selected.name})));
  }
  if (selected.event) {
    row.append(button("Last change", () => send({command: "jump", event: selected.event}), {"aria-label": "Last change of it"}));
  }
  row.append(button("Close", () => send({command: "select", kind: ""})));
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
  return make("div", {class: "kl-chain", role: "group", "aria-label": "Chain of causes"},
    make("span", {class: "kl-muted", text: links.length ? "Because:" : ""}), ...parts);
}

function reasons(send, links) {
  return make("ol", {class: "kl-why"}, ...links.map(link => make("li", {},
    make("span", {class: "kl-muted", text: `${link.clock} `}),
    link.actor ? dot(link.actor) : "", make("span", {text: `${link.text} `}),
    link.event ? make("button", {type: "button", text: "go there", "aria-label": `Go to event ${link.event}`,
      onclick: () => send({command: "jump", event: link.event})}) : "")));
}

function effects(send, links) {
  if (!links?.length) return [];
  return [make("div", {class: "kl-muted", text: "What followed:"}), reasons(send, links)];
}

function orders(send) {
  const area = make("textarea", {rows: 6, "aria-label": "Manifest (YAML)", placeholder: "A manifest in YAML"});
  const line = make("input", {type: "text", "aria-label": "Pod and URL", placeholder: "default/client web/"});
  return make("div", {class: "kl-orders"}, area,
    make("div", {class: "kl-bar"}, button("Apply it", () => send({command: "do", what: "apply", text: area.value})),
      make("label", {text: "Run a request: "}, line),
      button("Send", () => send({command: "do", what: "request", text: line.value}))));
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
  if (head.projector) parts.push(make("span", {class: "kl-seed", text: `seed ${head.seed}`}));
  if (head.mode === "past") parts.push(make("span", {class: "kl-badge", text: "past"}));
  if (head.mode === "fork") parts.push(make("span", {class: "kl-badge", text: "what if"}));
  if (head.pinned) parts.push(make("span", {class: "kl-badge", text: "pinned"}));
  return parts;
}

// The view's own inputs. One that is still there is kept, so that a slider stays in the hand.
function inputs(send) {
  const row = make("div", {class: "kl-bar kl-inputs", role: "group", "aria-label": "This view's own inputs", hidden: ""});
  let shape = "";
  const held = {};
  const use = (name, value) => send({command: "use", name, value: String(value)});
  function one(spec) {
    const label = make("label", {}, `${spec.label} `);
    if (spec.type === "button") return button(spec.label, () => use(spec.name, ""), {"data-input": spec.name});
    let field;
    if (spec.type === "choice") {
      field = make("select", {onchange: e => use(spec.name, e.target.value)},
        ...spec.options.map(text => make("option", {value: text, text})));
    } else if (spec.type === "range") {
      field = make("input", {type: "range", min: spec.min, max: spec.max, step: spec.step ?? 1,
        onchange: e => use(spec.name, e.target.value)});
    } else {
      field = make("input", {type: "text", onchange: e => use(spec.name, e.target.value)});
    }
    field.dataset.input = spec.name;
    field.setAttribute("aria-label", spec.label);
    label.append(field);
    if (spec.type === "range") label.append(make("output", {}));
    held[spec.name] = {field, out: label.querySelector("output")};
    return label;
  }
  function show(specs) {
    row.hidden = !specs?.length;
    const now = JSON.stringify((specs ?? []).map(({value, text, ...rest}) => rest));
    if (now !== shape) row.replaceChildren(...(specs ?? []).map(one));
    shape = now;
    for (const spec of specs ?? []) {
      const kept = held[spec.name];
      if (!kept || spec.type === "button") continue;
      if (document.activeElement !== kept.field || spec.type === "choice") kept.field.value = spec.value;
      if (kept.out) kept.out.textContent = ` ${spec.text ?? spec.value}`;
    }
  }
  return {row, show};
}

// The question that the learner answers before Step shows what happens, and how it went.
function quiz(send) {
  const box = make("div", {class: "kl-quiz", role: "group", "aria-label": "Your guess", hidden: ""});
  let asked = "";
  function form(question) {
    const name = `kl-${Math.round(performance.now() * 1000)}`;
    const sure = make("select", {"aria-label": "How sure are you?"},
      ...["1", "2", "3"].map(text => make("option", {value: text, text: `sure ${text} of 3`})));
    const field = question.free
      ? make("input", {type: "text", "aria-label": "Your answer", list: ""})
      : make("span", {class: "kl-options"}, ...question.options.map(text => make("label", {},
          make("input", {type: "radio", name, value: text}), ` ${text}`)));
    const value = () => question.free ? field.value.trim() : field.querySelector("input:checked")?.value ?? "";
    const commit = () => { if (value()) send({command: "guess", value: value(), sure: Number(sure.value)}); };
    return [make("b", {text: `✎ ${question.text} `}), field, sure, button("Commit", commit)];
  }
  function show(head, revealed) {
    const question = head.question, verdict = head.verdict;
    box.hidden = !question && !verdict;
    const now = JSON.stringify([question, verdict, head.score, revealed]);
    if (now === asked) return;
    asked = now;
    const parts = [];
    if (verdict) {
      const hidden = head.projector && !revealed;
      const mark = verdict.right ? "✓ as you said" : "✕ otherwise";
      parts.push(make("div", {class: "kl-verdict", "data-right": String(verdict.right)},
        make("span", {text: `✎ You said: ${verdict.guess}`}),
        make("span", {text: hidden ? "It was: (press R)" : `It was: ${verdict.outcome}`}),
        make("b", {text: hidden ? "" : mark}),
        make("span", {class: "kl-muted", text: head.score})));
    }
    if (question?.guess) parts.push(make("div", {text: `✎ You say: ${question.guess}. Press Step to see.`}));
    else if (question) parts.push(make("div", {class: "kl-bar"}, ...form(question)));
    box.replaceChildren(...parts);
  }
  return {box, show};
}

const HELP = [["→ or n", "Step"], ["← or b", "Back"], ["Home, End", "First, Now"], ["Space", "go on by itself, or pause"],
  ["Tab, then ↑ ↓", "through the things drawn"], ["Enter", "select the thing"], ["w", "Why?"], ["t", "Table"],
  ["f", "Fork"], ["p", "Projector"], ["r", "show the answer (projector)"], ["?", "this list"], ["Esc", "leave the view"]];

function help() {
  return [make("h4", {text: "Keys"}), table(["key", "does"], HELP)];
}
