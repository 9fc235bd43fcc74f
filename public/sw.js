// Offline after the first visit: every answer of this origin is kept, and given again when the
// network does not answer. The network always comes first, so that nothing stale is shown while a
// server can be reached. What is under another origin is not touched.
//
// Pages and workers are isolated from other origins, whatever the server sends: only then do browsers let
// the CPU's threads share a buffer.

const CACHE = "llavacode-1";

self.addEventListener("install", () => self.skipWaiting());

self.addEventListener("activate", (event) => {
  const outdated = async () => {
    const names = await caches.keys();
    const ours = names.filter((name) => name.startsWith("llavacode-") && name !== CACHE);
    await Promise.all(ours.map((name) => caches.delete(name)));
    await self.clients.claim();
  };
  event.waitUntil(outdated());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  const inScope = request.url.startsWith(self.registration.scope);
  // Models are kept by the page itself, in the origin-private file system: not a second time here.
  const keptElsewhere = request.headers.has("range") || request.cache === "no-store";
  if (request.method !== "GET" || !inScope || url.origin !== self.location.origin || keptElsewhere) {
    return;
  }
  event.respondWith(fromNetworkOrCache(event));
});

self.addEventListener("message", (event) => {
  if (event.data === "keep") event.waitUntil(keepAll());
});

// What a visit needs. The files with a hash in their name are found in the page, the model's in its
// bundle.
async function keepAll() {
  const cache = await caches.open(CACHE);
  const text = async (address) => {
    const response = await fetch(address);
    return response.ok ? response.text() : "";
  };
  const page = await text("./");
  const assets = [...page.matchAll(/(?:src|href)="(\.?\/?[^":?#]+\.(?:js|css))"|['"](\.\/[^'"]+\.(?:js|wasm))['"]/g)];
  // A server may answer for a missing file with its start page.
  const json = async (address) => {
    try {
      return JSON.parse(await text(address));
    } catch {
      return {};
    }
  };
  const manifest = await json("bundle/bundle.json");
  const beside = Object.keys(await json("models/index.json"));
  const addresses = new Set([
    "./",
    "icon.svg",
    "manifest.webmanifest",
    "engine_loader.js",
    "engine.js",
    "engine_bg.wasm",
    "helper_loader.js",
    "helper.js",
    "helper_bg.wasm",
    "demo/workspace.json",
    "demo/tasks.json",
    "demo/places.json",
    "bundle/bundle.json",
    "models/index.json",
    ...beside.map((id) => `models/${id}/bundle.json`),
    ...assets.map((match) => match[1] ?? match[2]),
    ...Object.keys(manifest.files ?? {}).map((file) => `bundle/${file}`),
  ]);
  for (const address of addresses) {
    if (!(await cache.match(address))) await cache.add(address).catch(() => {});
  }
  // Assets of earlier builds have another hash in their name, and nobody asks for them any more.
  const current = new Set([...addresses].map((address) => new URL(address, self.registration.scope).href));
  for (const request of await cache.keys()) {
    if (/-[0-9a-f]{8,}(_bg)?\.\w+$/.test(request.url) && !current.has(request.url)) await cache.delete(request);
  }
}

async function fromNetworkOrCache(event) {
  const { request } = event;
  const cache = await caches.open(CACHE);
  try {
    const response = await fetch(request);
    if (response.status === 200 && response.type === "basic") {
      // A full storage costs the offline copy, not the answer.
      event.waitUntil(cache.put(request, response.clone()).catch(() => {}));
    }
    return isolated(request, response);
  } catch (error) {
    const kept = await cache.match(request, { ignoreSearch: request.mode === "navigate" });
    if (kept) return isolated(request, kept);
    throw error;
  }
}

function isolated(request, response) {
  const { status, statusText, body } = response;
  // What is loaded into them stays as it came: a browser keeps the code that it compiled with it.
  if (!["document", "worker"].includes(request.destination) || status === 0) return response;
  const headers = new Headers(response.headers);
  headers.set("Cross-Origin-Opener-Policy", "same-origin");
  headers.set("Cross-Origin-Embedder-Policy", "require-corp");
  return new Response(body, { status, statusText, headers });
}
