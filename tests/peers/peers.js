// Runs one engine after the other on the same model file and the same prompts. `tests/src/bin/peers` asks
// and writes down what comes.
//
// `engines[name](model, options)` loads a model and gives `{ version, threads, complete, close }`;
// `complete(prompt, tokens)` gives `{ promptTokens, newTokens, ttftMs, prefillMs, decodeMs, text }`. Every
// completion reads its whole prompt: nothing is kept from the one before.

const base = new URL("..", location.href).href;

/** Ours: the page's own worker, asked as the page asks it. */
async function llavacode({ bundle, device, threads }) {
  const worker = new Worker(`${base}engine_loader.js`);
  const waiting = new Map();
  worker.onmessage = ({ data: { id, event } }) => waiting.get(id)?.(event);
  let next = 1;
  const ask = (request, ends) =>
    new Promise((resolve, reject) => {
      const id = next++;
      waiting.set(id, (event) => {
        const value = ends(event);
        if (event.type === "failed") reject(new Error(event.message));
        if (value !== undefined) resolve(value);
      });
      worker.postMessage({ id, request });
    });
  const load = { request: "load", bundle: { source: "url", url: `${base}${bundle}` }, device, threads };
  const ready = await ask(load, (event) => (event.type === "ready" ? event : undefined));
  const nothing = { request: "index", workspace: "peers", files: [] };
  await ask(nothing, (event) => (event.type === "indexed" ? event : undefined));

  const complete = async (prompt) => {
    const started = performance.now();
    let first;
    const cursor = {
      path: "prompt.py",
      prefix: prompt,
      suffix: "",
      multi_line: true,
      same_file: false,
      ranker: "jaccard",
      cold: true,
    };
    const done = await ask({ request: "complete", cursor, lanes: ["base"] }, ({ type, event }) => {
      if (type !== "completion") return undefined;
      if (event.event === "first_token") first = performance.now();
      return event.event === "done" || event.event === "failed" ? event : undefined;
    });
    if (done.event === "failed") throw new Error(done.message);
    return {
      promptTokens: done.prompt_tokens,
      newTokens: done.new_tokens,
      ttftMs: first - started,
      prefillMs: done.ttft.prefill_ms,
      decodeMs: done.decode_tokens_per_s ? ((done.new_tokens - 1) / done.decode_tokens_per_s) * 1e3 : null,
      text: done.text,
    };
  };
  return {
    version: ready.model,
    backend: ready.backend,
    threads: ready.threads,
    memoryBytes: ready.memory_bytes,
    complete,
    close: () => worker.terminate(),
  };
}

/** llama.cpp in WebAssembly. */
async function wllama({ gguf, threads, gpuLayers }) {
  const { Wllama } = await import("./wllama/index.js");
  const wasm = new URL("./wllama/wasm/wllama.wasm", import.meta.url).href;
  const engine = new Wllama({ default: wasm }, { suppressNativeLog: true });
  const blob = await (await fetch(`${base}${gguf}`)).blob();
  await engine.loadModel([blob], { n_ctx: 2048, n_threads: threads, n_gpu_layers: gpuLayers, n_parallel: 1 });
  const complete = async (prompt, tokens) => {
    const started = performance.now();
    let first;
    let last;
    let text = "";
    const chunks = await engine.createCompletion({
      prompt,
      max_tokens: tokens,
      temperature: 0,
      top_k: 1,
      cache_prompt: false,
      stream: true,
      timings_per_token: true,
    });
    for await (const chunk of chunks) {
      first ??= performance.now();
      text += chunk.choices?.[0]?.text ?? "";
      last = chunk.timings ?? last;
    }
    return {
      promptTokens: last?.prompt_n,
      newTokens: last?.predicted_n,
      ttftMs: first - started,
      prefillMs: last?.prompt_ms,
      // The first token comes from the prompt's logits.
      decodeMs: last?.predicted_ms,
      text,
    };
  };
  return {
    version: Wllama.getLibllamaVersion(),
    backend: gpuLayers ? "webgpu" : "cpu",
    threads: engine.getNumThreads(),
    complete,
    close: () => engine.exit(),
  };
}

const engines = { llavacode, wllama };
const running = new Map();

/** Loads an engine under a name; how long that took. */
window.load = async (name, engine, options) => {
  const started = performance.now();
  const loaded = await engines[engine](options);
  running.set(name, loaded);
  const { version, backend, threads, memoryBytes } = loaded;
  return { version, backend, threads, memoryBytes, loadMs: performance.now() - started };
};

/** Has a loaded engine complete a prompt. */
window.complete = (name, prompt, tokens) => running.get(name).complete(prompt, tokens);

/** Ends an engine. */
window.unload = async (name) => {
  await running.get(name)?.close();
  running.delete(name);
};

document.documentElement.dataset.state = "ready";
