// Starts the engine in its worker.
//
// Until its wasm is compiled nobody listens, and the browser would drop what the page has posted:
// such messages are kept and handed on, and the question whether the worker lives is answered here.
// A failed promise reaches the page only as an error event.

const early = [];
const keep = (event) => {
  event.stopImmediatePropagation();
  const { id, request } = event.data;
  if (request?.request === "ping") self.postMessage({ id, event: { type: "alive" } });
  else early.push(event);
};
self.addEventListener("message", keep);
self.addEventListener("unhandledrejection", (event) => self.reportError(event.reason));

importScripts("engine.js");
wasm_bindgen({ module_or_path: "engine_bg.wasm" }).then(
  () => {
    self.removeEventListener("message", keep);
    for (const event of early) self.dispatchEvent(new MessageEvent("message", { data: event.data }));
  },
  (error) => self.reportError(error),
);
