// Prepended to the worker: tells the page, beside each message, what memory there is, and opens the
// device with no more than every WebGPU device allows of buffers.
(() => {
  const channel = new BroadcastChannel("real-size");
  const lanes = {};
  let memory = null, live = 0, buffers = 0, largest = 0;
  self.addEventListener("message", ({ data }) => { lanes[data?.id] = data?.request?.lane; });

  for (const name of ["instantiate", "instantiateStreaming"]) {
    const make = WebAssembly[name];
    WebAssembly[name] = (...given) => make.apply(WebAssembly, given).then(made => {
      memory = (made.instance ?? made).exports.memory ?? memory;
      return made;
    });
  }

  const guaranteed = { maxStorageBufferBindingSize: 128 << 20, maxBufferSize: 256 << 20 };
  const request = GPUAdapter.prototype.requestDevice;
  GPUAdapter.prototype.requestDevice = async function (wanted = {}) {
    const requiredLimits = { ...wanted.requiredLimits, ...guaranteed };
    const device = await request.call(this, { ...wanted, requiredLimits });
    const trouble = text => channel.postMessage({ trouble: text });
    device.lost.then(lost => trouble(`the device was lost (${lost.reason}): ${lost.message}`));
    device.addEventListener("uncapturederror", ({ error }) => trouble(error.message));
    return device;
  };
  const create = GPUDevice.prototype.createBuffer, destroy = GPUBuffer.prototype.destroy;
  const destroyed = new WeakSet();
  GPUDevice.prototype.createBuffer = function (wanted) {
    live += wanted.size;
    buffers = Math.max(buffers, live);
    largest = Math.max(largest, wanted.size);
    return create.call(this, wanted);
  };
  GPUBuffer.prototype.destroy = function () {
    if (!destroyed.has(this)) live -= this.size;
    destroyed.add(this);
    return destroy.call(this);
  };

  const post = self.postMessage;
  self.postMessage = function (message, ...rest) {
    const worker = memory?.buffer.byteLength ?? 0;
    channel.postMessage({ event: message?.event, lane: lanes[message?.id], worker, buffers, largest });
    return post.call(self, message, ...rest);
  };
})();
