// Questions in a notebook: options, how sure, commit, compare, and the click on the cause.
// State comes whole as the trait `whole`; buttons send {do, id, …}. Nothing is decided here.

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) {
    if (key === "onclick") made.addEventListener("click", value);
    else if (value === true) made.setAttribute(key, "");
    else if (value !== false && value !== "") made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null && child !== ""));
  return made;
}

// What a commit sends; the choice and the confidence are read from the form.
export function commit(id, form) {
  const chosen = form.querySelector(`input[name="${CSS.escape(form.dataset.key)}"]:checked`);
  const sure = form.querySelector(`input[name="${CSS.escape(form.dataset.sure)}"]:checked`);
  return { do: "commit", id, key: chosen ? chosen.value : "", sure: sure ? Number(sure.value) : 2 };
}

function question(one, send, serial) {
  const key = `klq-${serial}-${one.id}`, sure = `${key}-sure`;
  const form = element("fieldset", { "data-key": key, "data-sure": sure });
  form.append(element("legend", {}, element("b", {}, `Predict ${one.id}. `), one.asks));
  for (const [value, text] of one.options) {
    form.append(element("label", {}, element("input", {
      type: "radio", name: key, value, checked: one.key === value }), text));
  }
  const row = element("div", { class: "klq-sure", role: "radiogroup", "aria-label": "How sure?" },
    element("span", {}, "How sure?"));
  for (const level of [1, 2, 3]) {
    const named = { 1: "1 a guess", 2: "2 rather", 3: "3 very" }[level];
    row.append(element("label", {}, element("input", {
      type: "radio", name: sure, value: level, checked: (one.sure || 2) === level }), named));
  }
  const done = one.verdict !== "" && one.next === "";
  row.append(
    element("button", { class: one.key ? "" : "klq-main",
      onclick: () => send(commit(one.id, form)) }, one.key ? "Change my guess" : "Commit"),
    element("button", { class: one.key && !done ? "klq-main" : "", disabled: !one.key,
      onclick: () => send({ do: "compare", id: one.id }) }, "Compare with the trace"));
  form.append(row);
  const told = element("div", { "aria-live": "polite" });
  if (one.verdict) told.append(element("p", {}, one.verdict, one.next ? ` Next: ${one.next}.` : ""));
  if (one.events.length) {
    told.append(element("p", {}, element("b", {}, one.why)));
    for (const [event, text] of one.events) {
      told.append(element("button", { class: "klq-event",
        onclick: () => send({ do: "click", id: one.id, event }) }, `${event}  ${text}`));
    }
  }
  told.append(element("p", { class: "klq-alert", role: "status" }, one.alert));
  return element("div", { "data-question": one.id, "data-committed": one.key !== "" }, form, told);
}

function render({ model, el, signal }) {
  const root = element("div", { class: "klq", tabindex: "-1" });
  // The notebook's own keys stay away while a question has the focus.
  root.dataset.lmSuppressShortcuts = "true";
  el.append(root);
  const serial = String(model.model_id || "0").slice(0, 8);
  const send = (message) => model.send(message);
  let open = false;
  const draw = () => {
    const whole = model.get("whole");
    const parts = (whole.questions || []).map((one) => question(one, send, serial));
    if (whole.folded) {
      const fold = element("details", { open },
        element("summary", {}, "Two questions from before (1 minute)"), ...parts);
      fold.addEventListener("toggle", () => { open = fold.open; });
      root.replaceChildren(fold);
    } else root.replaceChildren(...parts);
  };
  model.on("change:whole", draw);
  if (signal) signal.addEventListener("abort", () => model.off("change:whole", draw));
  draw();
}

export default { render };
