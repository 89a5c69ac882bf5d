// Chats: a question, what is being read for it, and an answer whose every source opens.

import { api } from "./api.js";
import { byId, confirm, element, iconButton, say, tell } from "./dom.js";
import * as library from "./library.js";
import { Reading, answer, problem, question } from "./messages.js";
import { Scope } from "./scope.js";

const TITLE = 60;
const QUERY = 1000;
const PAGE = 50;
const scope = new Scope("ask-documents");
let chats = [];
let cursor = null;
let chat = null; // the one that is shown
let shownId = null;
let turn = 0; // what was begun for another chat is not shown in this one
let busy = false;

const messages = () => byId("messages");

function row(item) {
  const link = element("a", { href: `#/ask/${item.id}`, title: item.title, "aria-current": item.id === chat?.id ? "page" : null }, item.title);
  return element("li", { class: "chat" }, link, iconButton("trash", `Delete the chat: ${item.title}`, () => remove(item)));
}

function renderChats() {
  byId("chats").replaceChildren(...chats.map(row));
  byId("chats-details").hidden = !chats.length;
  byId("more-chats").hidden = !cursor;
}

async function loadChats(from = null) {
  const { items, next } = await api("chat/sessions", { query: { limit: PAGE, cursor: from } });
  chats = from ? [...chats, ...items] : items;
  cursor = next ?? null;
  renderChats();
}

async function remove({ id, title }) {
  if (!(await confirm("Delete this chat?", `“${title}” and its answers go. Your documents stay.`, "Delete"))) return;
  await api(`chat/sessions/${id}`, { method: "DELETE" }).catch((error) => {
    if (error.status !== 404) throw error;
  });
  chats = chats.filter((item) => item.id !== id);
  renderChats();
  if (shownId === id) location.hash = "#/ask";
  byId("new-chat").focus();
}

/** Show a chat, or the start of a new one. */
export async function show(id) {
  const begun = ++turn;
  if (!byId("chats").childElementCount) loadChats();
  if (id && id === shownId && chat) return renderChats();
  shownId = id;
  chat = null;
  messages().replaceChildren();
  heading();
  if (!id) {
    renderChats();
    if (matchMedia("(hover: hover)").matches) byId("question").focus();
    return;
  }
  try {
    const [session, said] = await Promise.all([find(id), messagesOf(id)]);
    if (begun !== turn) return;
    chat = session;
    messages().replaceChildren(...said.map((message) => (message.role === "user" ? question(message.content) : answer(message))));
    heading();
    renderChats();
    toEnd();
  } catch (error) {
    if (error.status === undefined) throw error;
    if (begun === turn) messages().replaceChildren(problem(error.status === 404 ? "This chat is no longer there." : error.message, error.status === 404 ? null : () => show(id)));
  }
}

/** The list is all that tells a chat's title: it is read on until the chat is there. */
async function find(id) {
  if (!chats.length) await loadChats();
  while (!chats.some((item) => item.id === id) && cursor) await loadChats(cursor);
  return chats.find((item) => item.id === id) ?? { id, title: "Chat", document_ids: [] };
}

async function messagesOf(id) {
  const said = [];
  let from = null;
  do {
    const { items, next } = await api(`chat/sessions/${id}/messages`, { query: { limit: PAGE, cursor: from } });
    said.push(...items);
    from = next ?? null;
  } while (from);
  return said;
}

function heading() {
  byId("ask-title").textContent = chat?.title ?? "Ask your documents";
  const count = chat?.document_ids?.length ?? 0;
  byId("ask-scope").textContent = count ? `In ${count} chosen document${count > 1 ? "s" : ""}` : "";
  byId("ask-documents").hidden = Boolean(shownId);
  byId("ask-empty").hidden = Boolean(shownId) || Boolean(messages().childElementCount);
}

function toEnd() {
  messages().lastElementChild?.scrollIntoView({ block: "end" });
}

/** Make a chat. It is shown, unless another one was opened meanwhile. */
async function begin(content, begun) {
  const title = content.length > TITLE ? `${content.slice(0, TITLE - 1)}…` : content;
  const made = await api("chat/sessions", { method: "POST", json: { title, document_ids: scope.ids } });
  chats = [made, ...chats];
  if (begun === turn) {
    chat = made;
    shownId = made.id;
    history.replaceState(null, "", `#/ask/${made.id}`); // without the view being shown anew
    heading();
  }
  renderChats();
  return made;
}

/** Ask: the passages that a search finds are shown as they are read, until the checked answer is there. */
async function ask(content, key = crypto.randomUUID()) {
  if (busy) return;
  busy = true;
  const begun = turn;
  const asked = question(content);
  const reading = new Reading();
  messages().append(asked, reading.element);
  byId("ask-empty").hidden = true;
  toEnd();
  try {
    const asking = chat ?? (await begin(content, begun));
    look(content, reading, asking);
    const reply = await api(`chat/sessions/${asking.id}/messages`, { method: "POST", json: { content }, headers: { "idempotency-key": key } });
    if (begun !== turn) return;
    const shown = answer(reply);
    reading.element.replaceWith(shown);
    tell("The answer is there.");
    shown.scrollIntoView({ block: "nearest" });
  } catch (error) {
    if (error.status === undefined || begun !== turn) throw error;
    const again = () => {
      asked.remove();
      trouble.remove();
      ask(content, key); // the same key: an answer that was made meanwhile comes back
    };
    const trouble = problem(error.message, again);
    reading.element.replaceWith(trouble);
  } finally {
    reading.stop();
    busy = false;
  }
}

/** What is probably read for the answer. It is there to look at; that it fails is no matter. */
async function look(content, reading, { document_ids: chosen }) {
  try {
    const ids = chosen?.length ? chosen : undefined;
    const { results } = await api("search", { method: "POST", json: { query: content.slice(0, QUERY), limit: 6, document_ids: ids } });
    reading.found(results);
  } catch (error) {
    if (error.status === undefined) throw error;
  }
}

export function hide() {
  turn += 1;
  shownId = undefined; // it is read anew
}

export function clear() {
  turn += 1;
  chats = [];
  cursor = chat = shownId = null;
  messages().replaceChildren();
  byId("question").value = "";
  scope.clear();
  renderChats();
}

byId("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  const content = byId("question").value.trim();
  if (!content) return;
  if (busy) {
    say("One moment: the answer before this one is still being written.");
    return;
  }
  byId("question").value = "";
  ask(content);
});
byId("question").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    byId("composer").requestSubmit();
  }
});
byId("more-chats").addEventListener("click", () => loadChats(cursor));
// On a phone the list is out of the way until it is asked for.
byId("chats-details").open = !matchMedia("(max-width: 760px)").matches;
