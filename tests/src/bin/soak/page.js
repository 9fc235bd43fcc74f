// Run in the page before it: notes what it shows and what its workers tell, until that is taken.
(() => {
  const workers = new Map();
  let started = 0, shown = 0, indexed = 0, memory = null;
  let notices = [], states = [], done = [], failed = [];
  let status = "";

  for (const name of ["instantiate", "instantiateStreaming"]) {
    const make = WebAssembly[name];
    WebAssembly[name] = (...given) => make.apply(WebAssembly, given).then(made => {
      memory = (made.instance ?? made).exports.memory ?? memory;
      return made;
    });
  }

  window.Worker = class extends Worker {
    constructor(script, options) {
      started += 1;
      super(script, { ...options, name: String(started) });
      this.number = String(started);
      workers.set(this.number, { bytes: 0, buffers: 0 });
    }
    terminate() {
      workers.delete(this.number);
      super.terminate();
    }
  };
  new BroadcastChannel("soak").onmessage = ({ data }) => {
    if (workers.has(data.worker)) workers.set(data.worker, data);
  };

  const find = testid => document.querySelector(`[data-testid='${testid}']`);

  const entered = (testid, { state, backend }) => {
    const at = performance.now();
    // Both of its attributes may have changed.
    if (testid === "status" && status !== `${state} ${backend}`) {
      status = `${state} ${backend}`;
      states.push({ at, state, backend: backend ?? "" });
    }
    if (testid === "index-state" && state === "ready") indexed += 1;
    const lane = /^lane-(\w+)$/.exec(testid)?.[1];
    if (lane !== undefined && state === "done") {
      const ms = Number(find(`${testid}-ttft`)?.dataset.ms);
      if (Number.isFinite(ms)) done.push([lane, ms]);
    }
    // The sentence may be put there after the state.
    if (lane !== undefined && state === "error") {
      setTimeout(() => failed.push({ at, kind: lane, text: find(`${testid}-text`)?.textContent ?? "" }));
    }
  };
  const ghosts = document.getElementsByClassName("cm-ghost");
  let ghost = false;
  new MutationObserver(records => {
    for (const { type, target, addedNodes, attributeName, oldValue } of records) {
      if (type === "attributes") {
        if (target.getAttribute(attributeName) !== oldValue) entered(target.dataset.testid, target.dataset);
        continue;
      }
      if (target.dataset?.testid !== "notices") continue;
      for (const notice of addedNodes) {
        if (notice.dataset?.testid !== "notice") continue;
        const text = notice.querySelector("p")?.textContent ?? "";
        notices.push({ at: performance.now(), kind: notice.dataset.kind, text });
      }
    }
    // One that is typed along with is the same.
    if (ghosts.length > 0 && !ghost) shown += 1;
    ghost = ghosts.length > 0;
  }).observe(document, {
    subtree: true,
    childList: true,
    attributes: true,
    attributeFilter: ["data-state", "data-backend"],
    attributeOldValue: true,
  });

  window.takeSoak = () => {
    let worker = 0, buffers = 0;
    for (const told of workers.values()) {
      worker += told.bytes;
      buffers += told.buffers;
    }
    const { state, backend } = find("status").dataset;
    const taken = {
      page: memory?.buffer.byteLength ?? 0, worker, buffers, started, shown, indexed,
      notices, states, done, failed, state, backend: backend ?? "",
      // Told once, when the model is loaded.
      engine: find("memory")?.textContent ?? "",
      chunks: Number(find("index-state").dataset.chunks),
      lane: find("ghost-lane").value,
    };
    [notices, states, done, failed] = [[], [], [], []];
    return taken;
  };
})();
