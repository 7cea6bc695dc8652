// Tests of the pure functions of view.js; run with `node --test` on a copy named .mjs.
import assert from "node:assert/strict";
import {test} from "node:test";

const {applied, difference, command} = await import(process.env.VIEW_JS);

const piece = (key, x = 0, body = "") => ({key, x, y: 0, body});
const whole = (...pieces) => ({
  number: 1, base: 0, height: 100, head: {}, order: pieces.map(p => p.key), changed: pieces,
});

test("a whole picture needs nothing before it", () => {
  const shown = applied(null, whole(piece("a"), piece("b")));
  assert.deepEqual(Object.keys(shown.pieces), ["a", "b"]);
});

test("an update keeps what it does not carry and drops what is no longer in order", () => {
  const shown = applied(null, whole(piece("a"), piece("b")));
  const update = {number: 2, base: 1, height: 90, head: {}, order: ["b", "c"], changed: [piece("c", 5)]};
  const next = applied(shown, update);
  assert.deepEqual(Object.keys(next.pieces), ["b", "c"]);
  assert.equal(next.pieces.b, shown.pieces.b);
  assert.equal(next.height, 90);
});

test("a missed update is noticed", () => {
  const shown = applied(null, whole(piece("a")));
  assert.equal(applied(shown, {number: 3, base: 2, order: [], changed: []}), null);
  assert.equal(applied(null, {number: 3, base: 2, order: [], changed: []}), null);
});

test("the difference names what is drawn, moved and gone", () => {
  const before = applied(null, whole(piece("a"), piece("b"), piece("c"), piece("d")));
  const after = applied(null, whole(piece("a"), piece("b", 7), piece("c", 0, "new"), piece("e")));
  const {drawn, moved, gone} = difference(before, after);
  assert.deepEqual(drawn, ["c", "e"]);
  assert.deepEqual(moved, ["b"]);
  assert.deepEqual(gone, ["d"]);
});

test("everything is drawn where nothing was", () => {
  assert.deepEqual(difference(null, applied(null, whole(piece("a")))).drawn, ["a"]);
});

test("keys stand for the commands of the stage, and Tab and Escape stay free", () => {
  assert.deepEqual(["ArrowRight", "n", "ArrowLeft", "b", "Home", "End"].map(command),
    ["step", "step", "back", "back", "first", "now"]);
  assert.equal(command("Tab"), null);
  assert.equal(command("Escape"), null);
});
