// Passages that fit, and where they are.

import { api } from "./api.js";
import { byId, element, state } from "./dom.js";
import { Scope } from "./scope.js";
import { openPassage } from "./viewer.js";

const LIMIT = 20;
const scope = new Scope("search-documents");
let asked = null;

function result(found) {
  const place = element("span", { class: "place" }, element("b", {}, found.filename), `page ${found.page}`);
  const open = element("button", { type: "button", class: "result", on: { click: () => openPassage(found) } }, place, element("span", { class: "snippet" }, found.snippet));
  return element("li", {}, open);
}

async function search() {
  const query = byId("query").value.trim();
  if (!query) return byId("query").focus();
  asked?.abort();
  const { signal } = (asked = new AbortController());
  state("search-state", "Searching…");
  try {
    const { results } = await api("search", { method: "POST", json: { query, limit: LIMIT, document_ids: scope.ids }, signal });
    byId("results").replaceChildren(...results.map(result));
    state("search-state", results.length ? `${results.length} passage${results.length > 1 ? "s" : ""}` : "Nothing like that is in your documents.");
  } catch (error) {
    if (error.status === undefined) throw error;
    byId("results").replaceChildren();
    state("search-state", error.status === 404 ? "A chosen document is gone. Choose again." : error.message, search);
  }
}

export function show() {}

export function hide() {
  asked?.abort();
}

export function clear() {
  asked?.abort();
  byId("query").value = "";
  byId("results").replaceChildren();
  state("search-state", "");
  scope.clear();
}

byId("search-form").addEventListener("submit", (event) => {
  event.preventDefault();
  search();
});
