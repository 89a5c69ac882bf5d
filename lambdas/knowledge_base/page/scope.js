// A choice of documents: none chosen means all of them.

import { byId, element } from "./dom.js";
import * as library from "./library.js";

export class Scope {
  constructor(id) {
    this.details = byId(id);
    this.chosen = new Set();
    this.details.addEventListener("toggle", () => this.details.open && this.fill());
  }

  /** The ids to ask for, or nothing for all. */
  get ids() {
    return this.chosen.size ? [...this.chosen] : undefined;
  }

  async fill() {
    const choices = this.details.querySelector(".choices");
    if (!choices.childElementCount) choices.textContent = "Looking for your documents…";
    try {
      const documents = await library.ready();
      this.chosen = new Set(documents.map(({ id }) => id).filter((id) => this.chosen.has(id)));
      choices.replaceChildren(...documents.map((document) => this.choice(document)));
      if (!documents.length) choices.textContent = "None is ready yet.";
    } catch (error) {
      choices.textContent = error.message;
      if (error.status === undefined) throw error;
    }
    this.say();
  }

  choice({ id, filename }) {
    const box = element("input", { type: "checkbox", checked: this.chosen.has(id) });
    box.addEventListener("change", () => {
      box.checked ? this.chosen.add(id) : this.chosen.delete(id);
      this.say();
    });
    return element("label", {}, box, filename);
  }

  say() {
    const count = this.chosen.size;
    this.details.querySelector("summary").textContent = count ? `In ${count} chosen document${count > 1 ? "s" : ""}` : "In all documents";
  }

  clear() {
    this.chosen.clear();
    this.details.open = false;
    this.details.querySelector(".choices").replaceChildren();
    this.say();
  }
}
