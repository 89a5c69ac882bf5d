// The documents that this page knows of, for the views that name or choose them.

import { api } from "./api.js";

const PAGE = 50;
const MOST = 500; // that are offered as a choice
let known = new Map();
let listeners = [];

export const all = () => [...known.values()].sort((one, other) => (one.created_at < other.created_at ? 1 : -1));
export const get = (id) => known.get(id);
export const onChange = (listener) => listeners.push(listener);

function changed() {
  for (const listener of listeners) listener();
}

export function put(...documents) {
  for (const document of documents) known.set(document.id, { ...known.get(document.id), ...document });
  changed();
}

export function remove(id) {
  known.delete(id);
  changed();
}

export function clear() {
  known = new Map();
  changed();
}

/** One page of the list, from the newest; returns the cursor of the next. */
export async function load(cursor = null) {
  const { items, next } = await api("documents", { query: { limit: PAGE, cursor } });
  put(...items);
  return next ?? null;
}

/** What is ready, as far as it is offered. */
export async function ready() {
  let cursor = null;
  do cursor = await load(cursor);
  while (cursor && known.size < MOST);
  return all().filter((document) => document.status === "ready");
}

/** One document as it is now; null when it is gone. */
export async function refresh(id) {
  try {
    const document = await api(`documents/${id}`);
    put(document);
    return document;
  } catch (error) {
    if (error.status !== 404) throw error;
    remove(id);
    return null;
  }
}
