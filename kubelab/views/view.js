// The page's side of every view: it draws pieces, shows words, and sends commands back.
// It knows nothing of Kubernetes; all pictures and sentences come ready from Python.

// So long the kernel may take to answer before the view says so.
const PATIENCE_MS = 15000;
// A view that goes on by itself rests so long on each picture.
const REST_MS = 1100;

function controls(send, toggle, play) {
  const tool = (text, label, act, extra = {}) => button(text, act, {"aria-label": label, title: label, ...extra});
  const first = tool("|◀ First", "First", () => send({command: "first"}));
  const mine = tool("↶ My last act", "My last act", () => send({command: "mine"}));
  const back = tool("◀ Back", "Back", () => send({command: "back"}));
  const step = tool("Step ▶", "Step", () => send({command: "step"}), {class: "kl-main"});
  const now = tool("Now ▶|", "Now", () => send({command: "now"}));
  const run = tool("Run 10 s", "Run 10 s", () => send({command: "run", seconds: 10}));
  const settle = tool("Settle", "Settle", () => send({command: "settle"}));
  const act = tool("", "", () => send({command: "act"}), {hidden: ""});
  const by = make("select", {"aria-label": "Step by", onchange: e => send({command: "climb", by: e.target.value})});
  const scrub = make("input", {type: "range", min: 1, "aria-label": "Place in the past",
    onchange: e => send({command: "scrub", position: Number(e.target.value)})});
  const fork = tool("Fork", "Fork: what if", () => send({command: "fork"}));
  const rewind = tool("Rewind here", "Rewind here", () => {
    if (rewind.dataset.sure) send({command: "rewind"});
    rewind.dataset.sure = rewind.dataset.sure ? "" : "yes";
    rewind.textContent = rewind.dataset.sure ? "Really? What came later is lost" : "Rewind here";
  });
  const story = tool("Story", "Story", () => send({command: "story"}));
  const apply = tool("Apply…", "Apply", () => toggle("apply"), {"aria-expanded": "false"});
  const why = tool("Why?", "Why?", () => toggle("why"), {"aria-expanded": "false"});
  const words = tool("Table", "Table", () => toggle("table"), {"aria-expanded": "false"});
  const more = tool("More…", "More", () => toggle("more"), {"aria-expanded": "false"});
  const bar = make("div", {class: "kl-bar", role: "toolbar", "aria-label": "Stepping"},
    first, mine, back, step, now, run, settle, act, by, scrub, why, words, fork, rewind, story, apply, more);
  const going = tool("▶ Go on by itself", "Go on by itself", play);
  const until = make("input", {type: "text", "aria-label": "Run until", placeholder: "pod/web condition=Ready"});
  const reach = tool("Run until", "Run until this holds", () => send({command: "until", text: until.value}));
  const pin = tool("Pin", "Pin this view where it is", () => send({command: "pin"}), {"aria-pressed": "false"});
  const projector = tool("Projector", "Projector", () => toggle("projector"), {"aria-pressed": "false"});
  const dock = tool("Dock beside", "Dock this view beside the notebook", () => send({command: "dock"}));
  const keys = tool("Keys ?", "Keys", () => toggle("help"), {"aria-expanded": "false"});
  const rest = make("div", {class: "kl-bar kl-more", role: "group", "aria-label": "More tools", hidden: ""},
    going, until, reach, pin, projector, dock, keys);
  function show(head) {
    if (by.options.length !== head.rungs.length) {
      by.replaceChildren(...head.rungs.map(text => make("option", {value: text, text: `by ${text}`})));
    }
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
    pin.setAttribute("aria-pressed", String(Boolean(head.pinned)));
    pin.textContent = head.pinned ? "Unpin" : "Pin";
  }
  return {bar, rest, show, why, words, more, keys, going, projector};
}

function render({model, el, signal}) {
  const root = make("div", {class: "kl", tabindex: "0", role: "group", "data-lm-suppress-shortcuts": "true"});
  let waiting = null, going = null, shown = null;
  const silence = () => {
    parts.alert.textContent = "No answer: the kernel is busy or gone. Wait, or run the cell again.";
    pause();
  };
  const send = message => {
    clearTimeout(waiting);
    waiting = setTimeout(silence, PATIENCE_MS);
    // With a kernel that is gone the message cannot even be sent.
    try { model.send(message); } catch { clearTimeout(waiting); silence(); }
  };
  const open = {why: false, table: false, apply: false, more: false, help: false, projector: null, revealed: false};
  const toggle = name => {
    open[name] = name === "projector" ? !large() : !open[name];
    if (name === "projector") screen(open.projector);
    if (name === "table") send({command: "table", open: open.table});
    if (shown) words(shown.head);
  };
  const large = () => open.projector ?? Boolean(shown?.head.projector);
  // The whole screen where the browser lets us; a wide view in the page otherwise.
  const screen = wanted => {
    if (wanted) root.requestFullscreen?.().catch(() => {});
    else if (document.fullscreenElement === root) document.exitFullscreen?.();
  };
  const pause = () => { clearTimeout(going); going = null; parts.tools.going.textContent = "▶ Go on by itself"; };
  const play = () => {
    if (going !== null) { pause(); return; }
    going = setTimeout(() => send({command: "step"}), 0);
    parts.tools.going.textContent = "⏸ Pause";
  };
  const parts = {title: make("div", {class: "kl-title"}), tools: controls(send, toggle, play), stage: drawing(send),
    inputs: inputs(send), quiz: quiz(send)};
  parts.holder = make("div", {class: "kl-drawing", tabindex: "-1"}, parts.stage.svg);
  parts.body = make("div", {class: "kl-body"}, parts.holder);
  parts.attention = make("div", {class: "kl-bar kl-attention", role: "group", "aria-label": "What needs attention", hidden: ""});
  parts.sentence = make("div", {class: "kl-sentence", "aria-live": "polite", role: "status"});
  parts.alert = make("div", {class: "kl-alert", role: "alert"});
  for (const name of ["chain", "why", "help"]) parts[name] = make("div");
  parts.orders = make("div", {hidden: ""}, orders(send));
  parts.story = make("pre", {class: "kl-story", tabindex: "0", hidden: ""});
  parts.tables = make("div", {class: "kl-tables"});
  root.append(parts.title, parts.tools.bar, parts.tools.rest, parts.inputs.row, parts.quiz.box, parts.attention, parts.sentence,
    parts.alert, parts.body, parts.chain, parts.why, parts.orders, parts.story, parts.tables, parts.help);

  function words(head) {
    parts.title.replaceChildren(...title({...head, projector: large()}));
    parts.tools.show(head);
    parts.tools.rest.hidden = !open.more;
    parts.inputs.show(head.inputs);
    parts.quiz.show({...head, projector: large()}, open.revealed);
    parts.attention.hidden = !head.attention;
    parts.attention.replaceChildren(...attention(send, head.attention));
    parts.sentence.replaceChildren(...sentence(head));
    if (parts.alert.textContent !== head.alert) parts.alert.textContent = head.alert;
    parts.chain.replaceChildren(chain(send, head.chain));
    parts.why.replaceChildren(...(open.why ? [reasons(send, head.chain), ...effects(send, head.followed)] : []));
    parts.help.replaceChildren(...(open.help ? help() : []));
    parts.orders.hidden = !open.apply;
    parts.tables.replaceChildren(...(open.table ? head.tables.flatMap(t => [make("h4", {text: t.caption}), table(t.columns, t.rows)]) : []));
    for (const [name, tool] of [["why", parts.tools.why], ["table", parts.tools.words], ["more", parts.tools.more], ["help", parts.tools.keys]]) {
      tool.setAttribute("aria-expanded", String(open[name]));
    }
    parts.tools.projector.setAttribute("aria-pressed", String(large()));
    root.querySelector(".kl-side")?.remove();
    if (head.selected) parts.body.append(facts(send, head.selected));
    Object.assign(root.dataset, {view: head.kind, event: head.event, focus: head.focus, time: head.clock,
      revision: head.revision ?? "", mode: head.mode, part: head.part});
    if (large()) root.dataset.projector = "true"; else delete root.dataset.projector;
    root.setAttribute("aria-label", `View ${head.title}`);
  }
  function take(update) {
    const next = applied(shown, update);
    if (!next) { send({command: "whole"}); return; }
    if (next.head.focus !== shown?.head.focus || next.head.part !== shown?.head.part) open.revealed = false;
    parts.stage.draw(update.base === 0 && !shown ? null : shown, next, next.head.selected);
    shown = next;
    words(next.head);
    if (going === null) return;
    // A view that goes on by itself waits for each picture, and stops where nothing more happens.
    if (next.head.alert || (next.head.question && !next.head.question.guess)) pause();
    else { clearTimeout(going); going = setTimeout(() => send({command: "step"}), REST_MS); }
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
  document.addEventListener("kl-hover", event => parts.stage.hover(event.detail), {signal});
  document.addEventListener("fullscreenchange", () => {
    if (!document.fullscreenElement && open.projector && shown) { open.projector = false; words(shown.head); }
  }, {signal});
  const keys = {w: () => toggle("why"), t: () => toggle("table"), p: () => toggle("projector"), "?": () => toggle("help"),
    r: () => toggle("revealed"), f: () => send({command: "fork"}),
    Escape: () => { root.blur(); document.activeElement?.blur?.(); }};
  root.addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (["INPUT", "SELECT", "TEXTAREA"].includes(event.target.tagName)) return;
    const verb = command(event.key);
    if (verb) send({command: verb});
    else if (event.key === " " && event.target.tagName !== "BUTTON" && event.target.tagName !== "SUMMARY") play();
    else if (keys[event.key]) keys[event.key]();
    else return;
    event.preventDefault();
  }, {signal});
  el.append(root);
  take({...model.get("whole"), base: 0});
  send({command: "whole"});
  return () => {
    clearTimeout(waiting);
    clearTimeout(going);
    model.off("msg:custom", heard);
  };
}

export default {render};
