// Bundles the editor into the one module that `app/index.html` names.
import { build } from "esbuild";

await build({
  entryPoints: ["src/editor.js"],
  outfile: "dist/editor.js",
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  legalComments: "eof",
  logLevel: "warning",
});
