// The description of the API, from its OpenAPI document: what to send, what comes back.

import { byId, element } from "./dom.js";

const root = new URL("../..", import.meta.url);
const DEEPEST = 6;
const INDENT = "  ";

class Shapes {
  constructor(document) {
    this.document = document;
  }

  /** What a schema takes, as people write types. */
  text(schema, depth = 0) {
    const { $ref: reference } = schema;
    if (reference) return depth > DEEPEST ? reference.split("/").pop() : this.text(this.find(reference), depth);
    const choices = schema.anyOf ?? schema.oneOf;
    if (choices) return choices.map((choice) => this.text(choice, depth)).join(" | ");
    if (schema.const !== undefined) return JSON.stringify(schema.const);
    if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
    if (schema.type === "array") return this.array(schema, depth);
    if (schema.properties) return this.object(schema, depth);
    return `${schema.format === "binary" || schema.contentMediaType ? "file" : (schema.type ?? "any")}${bounds(schema)}`;
  }

  find(reference) {
    return reference.slice(2).split("/").reduce((place, name) => place?.[name], this.document) ?? {};
  }

  array({ items = {}, prefixItems: parts }, depth) {
    if (parts) return `[${parts.map((part) => this.text(part, depth)).join(", ")}]`;
    const inner = this.text(items, depth);
    return inner.includes(" | ") ? `(${inner})[]` : `${inner}[]`;
  }

  object({ properties, required = [] }, depth) {
    const lines = Object.entries(properties).map(([name, schema]) => {
      const note = schema.description ? `   // ${schema.description.replace(/\s+/g, " ")}` : "";
      return `${INDENT.repeat(depth + 1)}${name}${required.includes(name) ? "" : "?"}: ${this.text(schema, depth + 1)}${note}`;
    });
    return ["{", ...lines, `${INDENT.repeat(depth)}}`].join("\n");
  }
}

function bounds({ minLength, maxLength, minimum, maximum, exclusiveMinimum, default: usual }) {
  const said = [];
  const range = (least, most, what) => {
    if (least !== undefined || most !== undefined) said.push(`${least ?? "…"}–${most ?? "…"}${what}`);
  };
  range(minLength, maxLength, " characters");
  range(minimum ?? exclusiveMinimum, maximum, "");
  if (usual !== undefined && usual !== null) said.push(`default ${JSON.stringify(usual)}`);
  return said.length ? ` (${said.join(", ")})` : "";
}

function block(title, ...content) {
  return [element("h3", {}, title), ...content];
}

function code(text) {
  return element("pre", { tabindex: "0" }, element("code", {}, text));
}

function bodies(shapes, content = {}) {
  return Object.entries(content).map(([type, { schema = {} }]) => element("div", {}, element("p", { class: "muted" }, type), code(shapes.text(schema))));
}

function parameters(shapes, list = []) {
  if (!list.length) return [];
  const terms = list.flatMap(({ name, in: where, required, schema = {}, description }) => [
    element("dt", {}, element("code", {}, name)),
    element("dd", {}, `${where}${required ? ", required" : ""}: ${shapes.text(schema)}${description ? `. ${description}` : ""}`),
  ]);
  return block("Parameters", element("dl", {}, ...terms));
}

function answers(shapes, responses = {}) {
  const good = Object.entries(responses).filter(([status]) => status < 400);
  const bad = Object.keys(responses).filter((status) => status >= 400);
  const parts = good.flatMap(([status, { description, content }]) => [element("p", {}, element("b", {}, status), ` ${description ?? ""}`), ...bodies(shapes, content)]);
  if (bad.length) parts.push(element("p", { class: "muted" }, `Errors: ${bad.join(", ")}, as {"error": {"code", "message"}}`));
  return block("Answer", ...parts);
}

function operation(shapes, method, path, description) {
  const { summary, description: text, requestBody, responses, security } = description;
  const head = element("summary", {}, element("span", { class: `method ${method}` }, method.toUpperCase()), " ", element("code", {}, path), element("span", { class: "muted" }, ` ${summary ?? ""}`));
  const locked = security?.length ? element("p", { class: "hint" }, "With the header Authorization: Bearer, and an access token.") : null;
  const sent = requestBody ? block("Body", ...bodies(shapes, requestBody.content)) : [];
  return element("details", { class: "operation" }, head, element("p", {}, text ?? ""), locked, ...parameters(shapes, description.parameters), ...sent, ...answers(shapes, responses));
}

function render(document) {
  const shapes = new Shapes(document);
  const groups = new Map();
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, description] of Object.entries(methods)) {
      const [group = "other"] = description.tags ?? [];
      groups.set(group, [...(groups.get(group) ?? []), operation(shapes, method, path, description)]);
    }
  }
  const sections = [...groups].map(([name, operations]) => element("section", {}, element("h2", {}, name), ...operations));
  byId("operations").replaceChildren(...sections);
}

async function start() {
  const state = byId("docs-state");
  try {
    const answer = await fetch(new URL("openapi.json", root));
    if (!answer.ok) throw new Error(`answered with ${answer.status}`);
    render(await answer.json());
    state.hidden = true;
  } catch (error) {
    state.textContent = `The description could not be read: ${error.message}. Please load the page again.`;
  }
}

start();
