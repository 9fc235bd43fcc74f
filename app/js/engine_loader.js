// Starts the engine in its worker.
//
// Until its wasm is compiled nobody listens, and the browser would drop what the page has posted:
// such messages are kept and handed on. A failed promise reaches the page only as an error event.

const early = [];
const keep = (event) => {
  early.push(event);
  event.stopImmediatePropagation();
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
