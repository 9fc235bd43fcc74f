// Starts a helper of the engine's in its worker. The one message is the buffer between the two; from then
// on the helper waits there for what it is to compute, and hears no messages.

self.addEventListener("unhandledrejection", (event) => self.reportError(event.reason));

importScripts("helper.js");

self.onmessage = async ({ data: buffer }) => {
  await wasm_bindgen({ module_or_path: "helper_bg.wasm" });
  self.postMessage("ready");
  wasm_bindgen.serve(buffer);
  self.close();
};
