// A page of a document as it looks, with what is cited marked. The server draws it: no PDF is opened in the browser.

import { SignedOut, api, raw } from "./api.js";
import { byId, element, state } from "./dom.js";
import * as library from "./library.js";

const BESIDE = matchMedia("(min-width: 1280px)");
const dialog = byId("viewer");
let opener = null;
let loading = null;
let open = null; // {id, filename, page, pages}

/** Where a passage is in a text, whatever its spaces and line breaks are; null when it is not there. */
export function locate(text, passage) {
  const wanted = passage.replace(/^[\s…]+|[\s…]+$/g, "");
  if (!wanted) return null;
  const exact = text.indexOf(wanted);
  if (exact >= 0) return { start: exact, end: exact + wanted.length };
  const places = [];
  let plain = "";
  [...text].reduce((at, character) => {
    if (character.trim()) {
      plain += character;
      for (let unit = 0; unit < character.length; unit += 1) places.push(at + unit);
    }
    return at + character.length;
  }, 0);
  const packed = wanted.replace(/\s+/g, "");
  const found = plain.indexOf(packed);
  return found < 0 ? null : { start: places[found], end: places[found + packed.length - 1] + 1 };
}

/** The API counts characters; JavaScript counts UTF-16 units. */
function characters(text, { start, end }) {
  const before = [...text.slice(0, start)].length;
  return { start: before, end: before + [...text.slice(start, end)].length };
}

/** Show a cited place. */
export function openCitation(citation) {
  const { document_id: id, filename, page, start, end, quote } = citation;
  return show({ id, filename, page, pages: library.get(id)?.pages }, { quote, range: { start, end } });
}

/** Show where a passage that was found is. */
export function openPassage({ document_id: id, filename, page, snippet }) {
  return show({ id, filename, page, pages: library.get(id)?.pages }, { passage: snippet });
}

export function openPage({ id, filename, pages }, page) {
  return show({ id, filename, page, pages }, {});
}

async function show(target, sought) {
  if (!dialog.open) {
    opener = document.activeElement;
    BESIDE.matches ? dialog.show() : dialog.showModal();
    byId("viewer-title").focus();
  }
  open = target;
  byId("viewer-title").textContent = target.filename;
  blank(sought.quote ?? "");
  loading?.abort();
  const { signal } = (loading = new AbortController());
  try {
    await load(target, sought, signal);
  } catch (error) {
    if (error.status === undefined) throw error;
    const gone = error.status === 404;
    state("viewer-state", gone ? "This document, or this page of it, is no longer there." : error.message, gone ? null : () => show(target, sought));
  }
}

/** Empty the dialog but for the quote, which is worth reading even when nothing else is available. */
function blank(quote) {
  byId("viewer-quote").textContent = quote;
  byId("viewer-quote").hidden = !quote;
  byId("sheet").hidden = true;
  byId("viewer-details").hidden = true;
  byId("marks").replaceChildren();
  byId("viewer-body").scrollTop = 0;
  state("viewer-state", "Opening the page…");
  place();
}

function place() {
  byId("viewer-place").textContent = open.pages ? `Page ${open.page} of ${open.pages}` : `Page ${open.page}`;
  byId("page-before").disabled = open.page <= 1;
  byId("page-after").disabled = Boolean(open.pages) && open.page >= open.pages;
}

async function load(target, { quote, range, passage }, signal) {
  const address = `documents/${target.id}/pages/${target.page}`;
  const early = passage ? null : look(address, range, signal); // where a passage stands, only the text tells
  early?.catch(() => {}); // it is awaited below, unless something else goes wrong first
  const { text } = await api(address, { signal });
  const found = passage ? locate(text, passage) : null;
  const place = range ?? (found && characters(text, found));
  fillText(text, place);
  if (!target.pages) whole(target);
  state("viewer-state", "");
  const marks = await draw(target, early ?? look(address, place, signal));
  if (place && marks?.length === 0) state("viewer-state", quote ? "The quote could not be marked on the page; it is above, and in the text below." : "The passage could not be marked on the page; it is marked in the text below.");
}

/** How many pages a document has, where only its id was known. */
async function whole(target) {
  const { pages } = (await library.refresh(target.id)) ?? {};
  if (pages && open === target) {
    target.pages = pages;
    place();
  }
}

/** A page's picture, and the boxes of a quote on it. */
async function look(address, place, signal) {
  const answer = await raw(`${address}/view`, { query: { start: place?.start, end: place?.end }, signal });
  const parts = await answer.formData();
  return { image: await createImageBitmap(parts.get("image")), marks: JSON.parse(await new Response(parts.get("marks")).text()) };
}

/** Show the page, and what is marked on it; its text alone where it cannot be drawn. Returns the boxes, if it was shown. */
async function draw(target, looked) {
  const canvas = byId("sheet-image");
  try {
    const { image, marks } = await looked;
    if (open !== target) return null;
    canvas.width = image.width;
    canvas.height = image.height;
    canvas.getContext("2d").drawImage(image, 0, 0);
    canvas.setAttribute("aria-label", `Page ${target.page} of ${target.filename}, as it looks. Its text is below.`);
    byId("sheet").hidden = false;
    put(marks);
    return marks;
  } catch (error) {
    if (error.name === "AbortError" || error instanceof SignedOut) throw error;
    byId("viewer-details").open = true;
    state("viewer-state", "The page could not be drawn; its text is below.");
    return null;
  }
}

function put(boxes) {
  const made = boxes.map(({ left, top, width, height }) => {
    const mark = element("div", { class: "mark" });
    for (const [name, share] of Object.entries({ left, top, width, height })) mark.style[name] = `${share * 100}%`;
    return mark;
  });
  byId("marks").replaceChildren(...made);
  made[0]?.scrollIntoView({ block: "center" });
}

function fillText(text, place) {
  const units = [...text];
  const { start, end } = place ?? { start: units.length, end: units.length };
  const marked = start < end ? element("mark", {}, units.slice(start, end).join("")) : "";
  byId("viewer-text").replaceChildren(units.slice(0, start).join(""), marked, units.slice(end).join(""));
  byId("viewer-details").hidden = false;
  byId("viewer-details").open = false;
}

function turn(by) {
  show({ ...open, page: open.page + by }, {});
}

export function closeViewer() {
  if (dialog.open) dialog.close();
}

byId("page-before").addEventListener("click", () => turn(-1));
byId("page-after").addEventListener("click", () => turn(1));
byId("viewer-close").addEventListener("click", closeViewer);
dialog.addEventListener("close", () => {
  loading?.abort();
  if (opener?.isConnected) opener.focus();
});
addEventListener("keydown", (event) => {
  if (!dialog.open || document.querySelector("dialog#confirm[open]")) return;
  if (event.key === "Escape" && !dialog.matches(":modal")) closeViewer();
  const inside = dialog.contains(document.activeElement);
  if (inside && event.key === "PageDown" && event.altKey && !byId("page-after").disabled) turn(1);
  if (inside && event.key === "PageUp" && event.altKey && !byId("page-before").disabled) turn(-1);
});
