// Opens stores on the same project, one after the other, each in a worker of its own.
// `tests/src/bin/stores` asks and writes down what comes.
//
// An answer of `{ refused }` says why a store did not do what was asked: that is written down too.

import init, { Generated, width } from "./program/stores.js";

/** How long the browser may take to say how much memory there is, in milliseconds. */
const MEMORY_PATIENCE = 120_000;

/** What is opened: how much, for our index, which makes it up itself; all of it, for the others. */
let sizes;
let project;
let edits;

/** The store that is open. */
let running;

/** Makes up a project of so many chunks. What brute force finds for each question. */
window.prepare = async (chunks, questionCount, editCount) => {
  const made = new Generated(chunks, questionCount, editCount);
  const texts = [];
  const embeddings = new Float32Array(made.chunks() * width());
  for (let file = 0, at = 0; file < made.files(); file++) {
    texts.push(...made.texts(file));
    const ofFile = made.embeddings(file);
    embeddings.set(ofFile, at);
    at += ofFile.length;
  }
  const { found, least } = JSON.parse(made.nearest());
  const questions = { texts: made.question_texts(), embeddings: made.question_embeddings() };
  sizes = { chunks, questions: questionCount, edits: editCount };
  project = { texts, embeddings, questions, width: width(), least, topK: found[0].length };
  const differences = JSON.parse(made.edits());
  edits = differences.map((edit, number) => ({ ...edit, embeddings: made.edit_embeddings(number) }));
  made.free();
  return { chunks: texts.length, nearest: found };
};

/** Asks the open store. */
function ask(request, rest) {
  const { worker, waiting } = running;
  return new Promise((resolve) => {
    const id = running.next++;
    waiting.set(id, resolve);
    worker.postMessage({ id, request, ...rest });
  });
}

/** Bytes of the one worker there is, after a collection of garbage, as the browser counts them. */
async function workersMemory() {
  if (!performance.measureUserAgentSpecificMemory) return null;
  const nothing = { breakdown: [] };
  const measured = performance.measureUserAgentSpecificMemory().catch(() => nothing);
  const tooLate = new Promise((resolve) => setTimeout(resolve, MEMORY_PATIENCE, nothing));
  const { breakdown } = await Promise.race([measured, tooLate]);
  const inWorker = ({ scope }) => scope === "DedicatedWorkerGlobalScope";
  const parts = breakdown.filter(({ attribution }) => attribution.some(inWorker));
  const bytes = parts.reduce((sum, part) => sum + part.bytes, 0);
  return bytes || null;
}

/** What the browser's GPU is; nothing where there is none. */
window.adapter = async () => {
  const info = (await navigator.gpu?.requestAdapter())?.info;
  return info ? [info.vendor, info.architecture, info.description].filter(Boolean).join(" ") : "";
};

/** Opens a store in the place of the one before. */
window.openStore = async (store, options, withMemory) => {
  closeStore();
  const worker = new Worker("stores_worker.js", { type: "module" });
  const waiting = new Map();
  running = { worker, waiting, next: 1 };
  worker.onmessage = ({ data: { id, ...answer } }) => {
    waiting.get(id)?.(answer);
    waiting.delete(id);
  };
  worker.onerror = ({ message }) => {
    waiting.forEach((resolve) => resolve({ refused: message || "the worker ended" }));
    waiting.clear();
  };
  const loaded = await ask("load", { store, options });
  if (loaded.refused) return loaded;
  const opened = await ask("open", { project: store === "llavacode" ? sizes : project });
  if (opened.refused) return opened;
  const { value: linearMemoryBytes } = await ask("linearMemory");
  const memoryBytes = withMemory ? await workersMemory() : null;
  return { version: loaded.value, ...opened.value, linearMemoryBytes, memoryBytes };
};

/** Has the open store answer all questions, or as many as it can in a time. */
window.searchStore = async (ranker, budgetMs) => {
  const { value, refused } = await ask("search", { ranker, budgetMs });
  return value ?? { refused };
};

/** Edits files in the open store; how long each took, in milliseconds. */
window.editStore = async () => {
  const { value, refused } = await ask("edit", { edits });
  return value ?? { refused };
};

/** Ends the open store. */
window.closeStore = () => {
  running?.worker.terminate();
  running = undefined;
};

await init();
document.documentElement.dataset.state = "ready";
