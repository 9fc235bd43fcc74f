//! Files that are no source text: each is refused with a sentence, and the editor keeps its text.

use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use llavacode_tests::harness::visit;
use llavacode_tests::webdriver::BrowserOptions;

use crate::site;

#[tokio::test]
async fn files_that_are_no_source_text_are_refused_with_a_sentence() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let elf = [b"\x7fELF\x02\x01\x01\0".as_slice(), &[0; 600]].concat();
    let latin1 = b"name = 'caf\xe9'\nprint(name)\n".to_vec();
    let huge = b"x = 1\n".repeat(50 * 1024 * 1024 / 6);
    let cases: [(&str, Vec<u8>, &str); 4] = [
        ("program.py", elf, "binary"),
        ("nothing.py", Vec::new(), "empty"),
        ("huge.py", huge, "large"),
        ("latin.py", latin1, "UTF-8"),
    ];
    visit("bad-files", site()?, "", &BrowserOptions::default(), async |page| {
        page.wait_until_usable().await?;
        page.go_to_end().await?;
        page.type_text("\n# written by hand").await?;
        let before = page.editor_text().await?;
        ensure!(before.ends_with("# written by hand"), "the editor shows:\n{before}");
        for (name, bytes, reason) in &cases {
            let file = folder.path().join(name);
            fs::write(&file, bytes)?;
            page.choose_file("file-input", &file).await?;
            page.wait_for_notice(&[name, reason], Duration::from_secs(30)).await?;
            let after = page.editor_text().await?;
            ensure!(after == before, "{name} changed the editor's text to:\n{after}");
        }
        page.screenshot("refused-files").await?;
        Ok(())
    })
    .await
}
