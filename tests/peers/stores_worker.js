// Holds one store: ours, Orama or EdgeVec. `stores.js` asks.
//
// `stores[name](options)` loads a store and gives `{ version, open, search, edit, linearMemory }`.
// `open(project)` takes a project in and says how long that took; `search(ranker, budgetMs)` gives the
// milliseconds of each question and the numbers of the chunks found for it; `edit(edits)` the milliseconds of
// each edit. What a store is given is made ready before its clock runs: a document's array, an edit's
// difference, every vector.

/** Documents that are made ready at once. */
const BATCH = 1_000;

/** Embeddings compared by the browser's GPU. */
const ON_GPU = "dense_webgpu";

/** The version of a package. */
async function versionOf(name) {
  const response = await fetch(new URL(`node_modules/${name}/package.json`, import.meta.url));
  return (await response.json()).version;
}

/** One of the vectors that lie one behind the other. */
const row = (rows, width, number) => rows.subarray(number * width, (number + 1) * width);

/** Milliseconds that a step takes. */
function timed(step) {
  const started = performance.now();
  step();
  return performance.now() - started;
}

/** Asks as many questions as there is time for, and the first one before the clock runs. */
function searched(count, answer, numbers, budgetMs) {
  answer(0);
  const ms = [];
  const found = [];
  for (let question = 0, spent = 0; question < count && spent < budgetMs; question++) {
    let hits;
    const took = timed(() => (hits = answer(question)));
    spent += took;
    ms.push(took);
    found.push(numbers(hits));
  }
  return { ms, found };
}

/** Ours, which makes up the same project by itself. */
async function llavacode({ parts }) {
  const { default: init, Ours } = await import("./program/stores.js");
  const { memory } = await init();
  let ours;
  return {
    version: null,
    open: ({ chunks, questions, edits }) => {
      ours = new Ours(chunks, questions, edits, parts);
      const { text_ms: textMs, vectors_ms: vectorsMs, vector_bytes: vectorBytes } = JSON.parse(ours.opened());
      return { openMs: textMs + vectorsMs, textMs, vectorsMs, vectorBytes };
    },
    search: async (ranker) => JSON.parse(ranker === ON_GPU ? await ours.search_on_gpu() : ours.search(ranker)),
    edit: () => Array.from(ours.edit()),
    linearMemory: () => memory.buffer.byteLength,
  };
}

/** Full text and vectors, in JavaScript; its search of vectors is exact. */
async function orama() {
  const module = "./node_modules/@orama/orama/dist/browser/index.js";
  const { create, insert, remove, search } = await import(module);
  let store;
  let questions;
  let width;
  let least;
  let limit;
  let next;
  const documents = (numbers, texts, embeddings) =>
    numbers.map((number, at) => ({
      id: String(number),
      text: texts[at],
      embedding: Array.from(row(embeddings, width, at)),
    }));
  const put = (batch) => batch.forEach((document) => insert(store, document));
  const vector = (number) => ({ value: row(questions.embeddings, width, number), property: "embedding" });
  // Orama leaves out what is less similar than 0.8 unless it is told another least. It is told the one at
  // which the fewest are sorted and none of the nearest is lost.
  const asked = {
    bm25: (number) => ({ term: questions.texts[number], limit }),
    dense: (number) => ({ mode: "vector", vector: vector(number), similarity: least, limit }),
    hybrid: (number) => ({
      mode: "hybrid",
      term: questions.texts[number],
      vector: vector(number),
      similarity: least,
      limit,
    }),
  };
  return {
    version: await versionOf("@orama/orama"),
    open: (project) => {
      ({ questions, width, topK: limit } = project);
      // Its products are of 64 bits.
      least = project.least - 1e-4;
      store = create({ schema: { text: "string", embedding: `vector[${width}]` } });
      let openMs = 0;
      for (next = 0; next < project.texts.length; ) {
        const texts = project.texts.slice(next, next + BATCH);
        const numbers = texts.map((_, at) => next + at);
        const batch = documents(numbers, texts, project.embeddings.subarray(next * width));
        openMs += timed(() => put(batch));
        next += texts.length;
      }
      return { openMs };
    },
    search: (ranker, budgetMs) => {
      const answer = (number) => search(store, asked[ranker](number));
      const numbers = ({ hits }) => hits.map(({ id }) => Number(id));
      return searched(questions.texts.length, answer, numbers, budgetMs);
    },
    edit: (edits) =>
      edits.map(({ removed, added, embeddings }) => {
        const ids = removed.map(String);
        const batch = documents(added.map(() => next++), added, embeddings);
        return timed(() => {
          ids.forEach((id) => remove(store, id));
          put(batch);
        });
      }),
  };
}

/** Vectors alone, in an HNSW graph, in WebAssembly. */
async function edgevec() {
  const { default: init, EdgeVec, EdgeVecConfig } = await import("./node_modules/edgevec/edgevec.js");
  const { memory } = await init();
  let store;
  let questions;
  let width;
  let topK;
  /** EdgeVec's id of each chunk, and back. */
  const ids = [];
  const numbers = new Map();
  const know = (id) => {
    numbers.set(id, ids.length);
    ids.push(id);
  };
  return {
    version: await versionOf("edgevec"),
    open: (project) => {
      ({ questions, width, topK } = project);
      const config = new EdgeVecConfig(width);
      // Orders vectors of length 1 as their cosines do. Told "cosine" or "dot", 0.9.0 finds the farthest.
      config.metric = "l2";
      store = new EdgeVec(config);
      let openMs = 0;
      for (let at = 0; at < project.embeddings.length; at += BATCH * width) {
        const batch = project.embeddings.slice(at, at + BATCH * width);
        let given;
        openMs += timed(() => (given = store.insertBatchFlat(batch, batch.length / width)));
        given.forEach(know);
      }
      return { openMs };
    },
    search: (_, budgetMs) => {
      const answer = (number) => store.search(row(questions.embeddings, width, number), topK);
      const found = (hits) => hits.map(({ id }) => numbers.get(id));
      return searched(questions.texts.length, answer, found, budgetMs);
    },
    edit: (edits) =>
      edits.map(({ removed, added, embeddings }) => {
        const gone = removed.map((number) => ids[number]);
        return timed(() => {
          gone.forEach((id) => store.softDelete(id));
          added.forEach((_, at) => store.insert(row(embeddings, width, at)));
        });
      }),
    linearMemory: () => memory.buffer.byteLength,
  };
}

const stores = { llavacode, orama, edgevec };
let running;

const requests = {
  load: async ({ store, options }) => {
    running = await stores[store](options);
    return running.version;
  },
  open: ({ project }) => running.open(project),
  linearMemory: () => running.linearMemory?.() ?? null,
  search: ({ ranker, budgetMs }) => running.search(ranker, budgetMs),
  edit: ({ edits }) => running.edit(edits),
};

self.onmessage = async ({ data: { id, request, ...rest } }) => {
  try {
    self.postMessage({ id, value: await requests[request](rest) });
  } catch (error) {
    self.postMessage({ id, refused: error?.message ?? String(error) });
  }
};
