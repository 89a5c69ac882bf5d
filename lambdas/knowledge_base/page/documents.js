// The list of documents, with what becomes of each while it is read.

import { api } from "./api.js";
import { byId, confirm, element, icon, iconButton, say, size, state, when } from "./dom.js";
import * as library from "./library.js";
import { openPage } from "./viewer.js";

const FIRST_MS = 1000;
const SLOWER = 1.4;
const LAST_MS = 15_000;
const WATCHED = 8; // that are asked for at once
const WORDS = { queued: "Waiting to be read", processing: "Reading", ready: "Ready", failed: "Failed" };

const rows = new Map();
let visible = false;
let loaded = false;
let cursor = null;
let timer = null;
let wait = FIRST_MS;

const busy = ({ status }) => status === "queued" || status === "processing";

class Row {
  constructor(id) {
    this.id = id;
    this.name = element("button", { type: "button", class: "name", on: { click: () => openPage(library.get(id), 1) } });
    this.chip = element("span", { class: "chip" });
    this.facts = element("span", {});
    this.bar = element("progress", { max: 100 });
    this.why = element("p", { class: "why" });
    this.retry = iconButton("retry", "", () => this.again());
    this.trash = iconButton("trash", "", () => this.remove());
    const head = element("div", {}, this.name, element("div", { class: "meta" }, this.chip, this.facts));
    this.element = element("li", { class: "row" }, icon("documents"), head, element("span", { class: "actions" }, this.retry, this.trash), this.bar, this.why);
  }

  show(document) {
    const { filename, status, progress, pages, error, bytes, created_at: created } = document;
    this.name.textContent = filename;
    this.name.disabled = status !== "ready";
    for (const [button, label] of [[this.retry, "Read again"], [this.trash, "Delete"]]) {
      button.setAttribute("aria-label", `${label}: ${filename}`);
      button.title = label;
    }
    this.chip.className = `chip ${WORDS[status] ? status : ""}`;
    this.chip.textContent = status === "processing" ? `Reading, ${progress} %` : (WORDS[status] ?? status);
    const counted = pages ? `${pages} page${pages > 1 ? "s" : ""}` : "";
    this.facts.textContent = [counted, bytes ? size(bytes) : "", when(created)].filter(Boolean).join(" · ");
    this.bar.hidden = !busy(document);
    this.bar.setAttribute("aria-label", `How far ${filename} is read`);
    status === "queued" ? this.bar.removeAttribute("value") : (this.bar.value = progress);
    this.why.hidden = status !== "failed";
    this.why.textContent = status === "failed" ? (error?.message ?? "It could not be read.") : "";
    this.retry.hidden = status !== "failed";
  }

  async again() {
    this.retry.disabled = true;
    try {
      await api(`documents/${this.id}/retry`, { method: "POST" });
    } catch (error) {
      if (error.status !== 409 && error.status !== 404) throw error; // else it is being read already, or gone
    } finally {
      this.retry.disabled = false;
    }
    this.name.parentElement.parentElement.contains(document.activeElement) && this.trash.focus();
    await library.refresh(this.id);
    soon();
  }

  async remove() {
    const { filename } = library.get(this.id);
    if (!(await confirm("Delete this document?", `“${filename}” goes with its pages, and is no longer found or cited.`, "Delete"))) return;
    const next = this.element.nextElementSibling ?? this.element.previousElementSibling;
    await api(`documents/${this.id}`, { method: "DELETE" }).catch((error) => {
      if (error.status !== 404) throw error;
    });
    library.remove(this.id);
    (next?.querySelector(".actions button:last-child") ?? byId("documents-title")).focus();
    say(`“${filename}” was deleted.`);
  }
}

/** Bring the rows to what is known, each in its place; what has not changed keeps its focus. */
function render() {
  const list = byId("document-list");
  const documents = library.all();
  for (const [id, row] of rows) {
    if (!library.get(id)) {
      row.element.remove();
      rows.delete(id);
    }
  }
  documents.forEach((document, index) => {
    const row = rows.get(document.id) ?? new Row(document.id);
    rows.set(document.id, row);
    row.show(document);
    if (list.children[index] !== row.element) list.insertBefore(row.element, list.children[index] ?? null);
  });
  if (loaded && visible) state("documents-state", documents.length ? "" : "There is nothing here yet. Upload a PDF, and ask it something.");
}

async function more() {
  try {
    cursor = await library.load(cursor);
    loaded = true;
    byId("more-documents").hidden = !cursor;
    render();
    soon();
  } catch (error) {
    if (error.status === undefined) throw error;
    state("documents-state", error.message, more);
  }
}

/** Ask for what is being read: often at first, then less, and not at all while nobody looks. */
async function poll() {
  timer = null;
  const watched = library.all().filter(busy);
  if (!watched.length || document.hidden) return;
  const before = JSON.stringify(watched);
  try {
    const after = await Promise.all(watched.slice(-WATCHED).map(({ id }) => library.refresh(id)));
    for (const document of after) tell(watched, document);
    wait = JSON.stringify(watched.map(({ id }) => library.get(id))) === before ? Math.min(wait * SLOWER, LAST_MS) : FIRST_MS;
  } catch (error) {
    if (error.status === undefined) throw error;
    wait = Math.min(wait * 2, LAST_MS);
  }
  timer ??= setTimeout(poll, wait);
}

function tell(watched, document) {
  if (!document || busy(document) || !watched.some(({ id }) => id === document.id)) return;
  say(document.status === "ready" ? `“${document.filename}” is ready.` : `“${document.filename}” could not be read.`);
}

function soon() {
  wait = FIRST_MS;
  clearTimeout(timer);
  timer = setTimeout(poll, wait);
}

/** A document that was just uploaded. */
export function add(document) {
  library.put(document);
  soon();
}

export function show() {
  visible = true;
  if (loaded) render();
  else state("documents-state", "Looking for your documents…");
  cursor = null;
  more();
}

export function hide() {
  visible = false;
}

export function clear() {
  clearTimeout(timer);
  timer = null;
  visible = loaded = false;
  library.clear();
}

library.onChange(render);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && library.all().some(busy)) soon();
});
