//! Which of some files is what, where no manifest says.

use std::collections::BTreeMap;

use super::layout::{ADAPTER, ADAPTER_CONFIG, MANIFEST, PROJECTOR, READER};

/// The places in a bundle of files that come without a manifest: by path in a bundle, the path given.
/// Empty where there is a manifest among them, or no reader.
///
/// A GGUF file is the reader; of two, the one that is called an embedding model is the encoder. Without
/// any, a folder of Hugging Face's `config.json`, `tokenizer.json` and `model.safetensors` is the
/// reader. A `projector.safetensors` beside an encoder is taken too, and so is LoRA beside a reader:
/// `adapter_model.safetensors` with `adapter_config.json`.
pub fn arrange<'a>(paths: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, String> {
    let paths: Vec<&str> = paths.into_iter().collect();
    let name = |path: &str| path.rsplit('/').next().unwrap_or(path).to_lowercase();
    let named =
        |wanted: &str| paths.iter().copied().filter(|path| name(path) == wanted).min_by_key(|p| p.len());
    let mut places = BTreeMap::new();
    if named(MANIFEST).is_some() {
        return places;
    }
    let adapter = [ADAPTER, ADAPTER_CONFIG].map(|file| Some((format!("{READER}/{file}"), named(file)?)));
    let mut put = |place: &str, path: &str| places.insert(place.to_owned(), path.to_owned());
    let gguf = paths.iter().copied().filter(|path| name(path).ends_with(".gguf"));
    let (encoders, readers): (Vec<&str>, Vec<&str>) = gguf.partition(|path| name(path).contains("embed"));
    let parts = ["config.json", "tokenizer.json", "model.safetensors"];
    if let Some(reader) = readers.first() {
        put("reader/model.gguf", reader);
        if let Some(encoder) = encoders.first() {
            put("encoder/model.gguf", encoder);
            named(PROJECTOR).map(|projector| put(PROJECTOR, projector));
        }
    } else if let [Some(config), Some(tokenizer), Some(weights)] = parts.map(named) {
        for (part, path) in parts.into_iter().zip([config, tokenizer, weights]) {
            put(&format!("{READER}/{part}"), path);
        }
    }
    if !places.is_empty() {
        // Without its config it is refused when it is loaded.
        let files = adapter.into_iter().flatten();
        places.extend(files.map(|(place, path)| (place, path.to_owned())));
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arranged(paths: &[&str]) -> Vec<String> {
        arrange(paths.iter().copied()).into_iter().map(|(place, path)| format!("{place} = {path}")).collect()
    }

    #[test]
    fn a_gguf_file_is_the_reader_and_one_that_embeds_the_encoder() {
        assert_eq!(arranged(&["Some-Model.Q8_0.GGUF"]), ["reader/model.gguf = Some-Model.Q8_0.GGUF"]);
        let pair = ["a/Qwen3-Embedding-0.6B-Q8_0.gguf", "a/projector.safetensors", "a/qwen2.5-coder.gguf"];
        assert_eq!(
            arranged(&pair),
            [
                "encoder/model.gguf = a/Qwen3-Embedding-0.6B-Q8_0.gguf",
                "projector.safetensors = a/projector.safetensors",
                "reader/model.gguf = a/qwen2.5-coder.gguf",
            ]
        );
        assert_eq!(arranged(&["m.gguf", "projector.safetensors"]), ["reader/model.gguf = m.gguf"]);
    }

    #[test]
    fn a_checkpoints_folder_is_a_reader() {
        let folder = ["x/config.json", "x/tokenizer.json", "x/model.safetensors", "x/README.md"];
        assert_eq!(
            arranged(&folder),
            [
                "reader/config.json = x/config.json",
                "reader/model.safetensors = x/model.safetensors",
                "reader/tokenizer.json = x/tokenizer.json",
            ]
        );
        assert!(arranged(&folder[1..]).is_empty(), "a part is missing");
    }

    #[test]
    fn an_adapter_goes_with_the_reader() {
        let adapter = ["a/adapter_config.json", "a/adapter_model.safetensors"];
        let places = [
            "reader/adapter_config.json = a/adapter_config.json",
            "reader/adapter_model.safetensors = a/adapter_model.safetensors",
            "reader/model.gguf = m.gguf",
        ];
        assert_eq!(arranged(&[&adapter[..], &["m.gguf"]].concat()), places);
        assert_eq!(arranged(&["m.gguf", adapter[1]]), places[1..], "half of it, which loading refuses");
        assert!(arranged(&adapter).is_empty(), "it is no reader");
    }

    #[test]
    fn a_manifest_says_itself_what_is_what() {
        assert!(arranged(&["b/bundle.json", "b/reader/model.gguf"]).is_empty());
        assert!(arranged(&[]).is_empty());
        assert!(arranged(&["only-embedding.gguf"]).is_empty());
    }
}
