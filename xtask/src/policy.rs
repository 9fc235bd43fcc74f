//! The page's content security policy, as far as only a build knows it. Trunk writes an inline script that
//! names files by their hashes, so the policy's hashes of scripts are computed when it is done.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// Ahead of what trunk puts into the script by which a served page hears of a new build.
const RELOADER: &str = "{{__TRUNK_";

/// Completes the policy of the page in a folder.
pub(crate) fn complete(folder: &Path) -> Result<()> {
    let file = folder.join("index.html");
    let page = fs::read_to_string(&file).with_context(|| format!("{} could not be read", file.display()))?;
    fs::write(&file, completed(&page)?).with_context(|| format!("{} could not be written", file.display()))
}

/// The page with a policy that lets its own inline scripts run, each by its hash, and the editor's styles
/// by a nonce. The nonce follows from the page, so that a build can be repeated; it keeps out what was not
/// written for this very build.
fn completed(page: &str) -> Result<String> {
    let nonce = base64(&Sha256::digest(page)[..18]);
    let mut scripts = Vec::new();
    let mut page = page.to_owned();
    for script in inline_scripts(&page) {
        if script.contains(RELOADER) {
            // The server fills it in differently each time.
            page = page.replacen(
                &format!("<script>{script}"),
                &format!("<script nonce=\"{nonce}\">{script}"),
                1,
            );
            page = page.replacen("connect-src 'self'", "connect-src 'self' ws:", 1);
            scripts.push(format!("'nonce-{nonce}'"));
        } else {
            scripts.push(format!("'sha256-{}'", base64(&Sha256::digest(&script))));
        }
    }
    for (directive, more) in [
        ("script-src 'self' 'wasm-unsafe-eval'", scripts.join(" ")),
        ("style-src 'self'", format!("'nonce-{nonce}'")),
    ] {
        let at = page.find(directive).with_context(|| format!("index.html's policy has no {directive}"))?;
        page.insert_str(at + directive.len(), &format!(" {more}"));
    }
    Ok(page)
}

/// What stands between the tags of each script that is no file of its own.
fn inline_scripts(page: &str) -> Vec<String> {
    let mut scripts = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once("<script") {
        let Some((tag, after)) = after.split_once('>') else { break };
        let Some((script, after)) = after.split_once("</script>") else { break };
        if !tag.contains(" src=") {
            scripts.push(script.to_owned());
        }
        rest = after;
    }
    scripts
}

/// Base64 as policies write it (RFC 4648, with padding).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | u32::from(three.get(at).copied().unwrap_or(0)));
        for digit in 0..4 {
            let value = bits >> (18 - 6 * digit) & 63;
            text.push(if digit <= three.len() { char::from(DIGITS[value as usize]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "<head><meta content=\"default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; \
        style-src 'self'; connect-src 'self'\"><script>alert(1)</script>\
        <script type=\"module\" src=\"a.js\"></script><script type=\"module\">import 'b';</script></head>";

    #[test]
    fn base64_is_that_of_the_rfc() {
        let known = [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")];
        for (text, expected) in known {
            assert_eq!(base64(text.as_bytes()), expected);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }

    #[test]
    fn each_inline_script_is_let_through_by_its_hash_and_no_other() {
        let page = completed(PAGE).unwrap();
        // echo -n 'alert(1)' | openssl dgst -sha256 -binary | base64
        assert!(
            page.contains(
                "'wasm-unsafe-eval' 'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI=' 'sha256-"
            )
        );
        assert_eq!(page.matches("'sha256-").count(), 2, "{page}");
        assert_eq!(page.matches("'nonce-").count(), 1, "for styles alone: {page}");
        assert!(!page.contains("unsafe-inline") && page.contains("connect-src 'self'\""), "{page}");
        assert_eq!(page, completed(PAGE).unwrap(), "a build can be repeated");
    }

    #[test]
    fn the_script_by_which_a_served_page_reloads_gets_a_nonce() {
        let served = PAGE.replace("</head>", "<script>const a = '{{__TRUNK_ADDRESS__}}';</script></head>");
        let page = completed(&served).unwrap();
        let (_, nonce) = page.split_once("<script nonce=\"").unwrap();
        let (nonce, _) = nonce.split_once('"').unwrap();
        assert_eq!(page.matches(&format!("'nonce-{nonce}'")).count(), 2, "{page}");
        assert!(page.contains("connect-src 'self' ws:\""), "{page}");
    }

    #[test]
    fn a_page_without_a_policy_is_refused() {
        assert!(completed("<head><script>alert(1)</script></head>").is_err());
    }

    #[test]
    fn the_pages_own_source_has_a_policy_to_complete() {
        completed(include_str!("../../app/index.html")).unwrap();
    }
}
