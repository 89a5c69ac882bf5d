// How questions, answers and their sources look.

import { element } from "./dom.js";
import { openCitation } from "./viewer.js";

const EACH_MS = 450;

export function question(content) {
  return element("li", { class: "message user" }, element("span", { class: "visually-hidden" }, "You: "), content);
}

/** An answer as text, its [n] as buttons, figures that no quote shows set apart, its sources below. */
export function answer({ content, citations }) {
  const text = element("div", { class: "answer" }, ...pieces(content, citations));
  const sources = element("ul", { class: "sources", "aria-label": "Sources" }, ...citations.map(source));
  return element("li", { class: "message assistant" }, element("span", { class: "visually-hidden" }, "Answer: "), text, citations.length ? sources : null);
}

function pieces(content, citations) {
  return content.split(/(\[\d{1,3}\]|\(not in the quotes?: [^()]*\))/).map((piece) => {
    if (piece.startsWith("(not in the quote")) return element("span", { class: "unquoted" }, piece);
    const number = Number(/^\[(\d+)\]$/.exec(piece)?.[1]);
    const citation = citations[number - 1];
    if (!citation) return piece;
    const label = `Source ${number}: ${citation.filename}, page ${citation.page}`;
    return element("button", { type: "button", class: "cite", "aria-label": label, title: label, on: { click: () => openCitation(citation) } }, String(number));
  });
}

function source(citation, index) {
  const { filename, page, quote } = citation;
  const place = element("span", { class: "place" }, `${filename}, page ${page}`);
  const button = element("button", { type: "button", class: "source", on: { click: () => openCitation(citation) } }, element("span", { class: "number" }, String(index + 1)), place, element("span", { class: "words" }, `“${quote}”`));
  return element("li", {}, button);
}

export function problem(text, again) {
  const retry = again ? element("button", { type: "button", class: "button", on: { click: again } }, "Try again") : null;
  return element("li", { class: "message assistant" }, element("p", { class: "alert", role: "alert" }, text), retry);
}

/** What is being read, one passage after the other: an answer takes some seconds. */
export class Reading {
  constructor() {
    this.list = element("ul", { class: "reading" });
    this.element = element("li", { class: "message assistant" }, element("p", { class: "thinking muted", role: "status" }, "Looking in your documents…"), this.list);
    this.timers = [];
  }

  found(results) {
    const places = new Map(results.map(({ document_id: id, filename, page }) => [`${id}/${page}`, { filename, page }]));
    [...places.values()].forEach(({ filename, page }, index) => {
      const line = element("li", {}, "Reading: ", element("span", { class: "file" }, `${filename}, p. ${page}`));
      this.timers.push(setTimeout(() => this.list.append(line), index * EACH_MS));
    });
    if (places.size) this.element.querySelector(".thinking").textContent = "Writing an answer, and checking each quote…";
  }

  stop() {
    this.timers.forEach(clearTimeout);
  }
}
