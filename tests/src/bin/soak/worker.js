// Prepended to the engine's worker: tells the page, beside a message of each second, what memory there is.
(() => {
  const channel = new BroadcastChannel("soak");
  let memory = null, buffers = 0, told = -Infinity;

  for (const name of ["instantiate", "instantiateStreaming"]) {
    const make = WebAssembly[name];
    WebAssembly[name] = (...given) => make.apply(WebAssembly, given).then(made => {
      memory = (made.instance ?? made).exports.memory ?? memory;
      return made;
    });
  }

  if (self.GPUDevice) {
    // Buffers that nobody destroys go when they are collected.
    const collected = new FinalizationRegistry(size => { buffers -= size; });
    const create = GPUDevice.prototype.createBuffer, destroy = GPUBuffer.prototype.destroy;
    GPUDevice.prototype.createBuffer = function (wanted) {
      const buffer = create.call(this, wanted);
      buffers += buffer.size;
      collected.register(buffer, buffer.size, buffer);
      return buffer;
    };
    GPUBuffer.prototype.destroy = function () {
      if (collected.unregister(this)) buffers -= this.size;
      return destroy.call(this);
    };
  }

  const post = self.postMessage;
  self.postMessage = function (...message) {
    const now = performance.now();
    if (now - told >= 1000) {
      told = now;
      // The page names its workers.
      channel.postMessage({ worker: self.name, bytes: memory?.buffer.byteLength ?? 0, buffers });
    }
    return post.apply(self, message);
  };
})();
