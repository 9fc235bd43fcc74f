//! The page's content security policy: it is there, it lets through what the page does, and nothing else.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use llavacode_tests::harness::{Key, PATIENCE, visit};
use llavacode_tests::webdriver::BrowserOptions;
use serde_json::json;

use crate::site;

/// A small Llama of random weights.
const TINY: &[u8] = include_bytes!("../../fixtures/llama_cpp/tiny_llama/model.gguf");
const SOON: Duration = Duration::from_secs(60);

/// Notes every violation, from the page's first moment on.
const WATCH: &str = "window.violations = [];\
    addEventListener('securitypolicyviolation', of => violations.push(\
        [of.effectiveDirective, of.blockedURI, of.sourceFile, of.lineNumber, of.sample].join(' ')));";

#[tokio::test]
async fn normal_use_is_within_the_policy_and_a_script_from_elsewhere_is_not() -> Result<()> {
    let site = site()?.in_page_first(WATCH)?.replace("elsewhere/tiny.gguf", TINY.to_vec());
    visit("policy", site, "?model=pico&device=cpu", &BrowserOptions::default(), async |page| {
        let policy = "document.querySelector(\"meta[http-equiv='Content-Security-Policy']\")?.content ?? ''";
        let policy = page.evaluate(policy).await?;
        let policy = policy.as_str().context("no policy")?;
        for part in ["default-src 'none'", "'sha256-", "worker-src 'self'", "base-uri 'none'", "form-action 'none'"] {
            ensure!(policy.contains(part), "{part} is not in the policy: {policy}");
        }
        ensure!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"), "it is lax: {policy}");

        page.wait_until_usable().await?;
        page.go_to_end().await?;
        page.type_text("\n\ndef station_").await?;
        page.wait_for_ghost(PATIENCE).await?;
        page.wait_for_state("lane-full_rag", "done", PATIENCE).await?;
        page.press(&[Key::Control, Key::Letter('f')]).await?;
        page.press(&[Key::Escape]).await?;
        for button in ["compare", "compare", "lane-full_rag-prompt", "prompt-close", "theme-toggle", "tab-measure"] {
            page.element(button).await?.click().await?;
        }
        page.element("measure-run").await?.click().await?;
        let results = "document.querySelector(\"[data-testid='task-results'] .task\") !== null";
        page.wait_until("a line is measured", results, PATIENCE).await?;
        page.element("measure-csv").await?.click().await?;
        page.element("measure-run").await?.click().await?;
        page.element("tab-lanes").await?.click().await?;
        page.element("models-open").await?.click().await?;
        page.element("bundle-url").await?.send_keys("elsewhere/tiny.gguf").await?;
        page.element("load-url").await?.click().await?;
        let in_use = "document.querySelector(\"[data-testid='model']\")?.textContent.includes('pico') === false";
        page.wait_until("the model is in use", in_use, SOON).await?;
        let styled = "getComputedStyle(document.querySelector('.cm-scroller')).fontFamily.includes('mono')";
        ensure!(page.evaluate(styled).await? == true, "the editor has lost its styles");
        let violations = page.evaluate("violations").await?;
        ensure!(violations == json!([]), "refused: {violations}");
        page.screenshot("policy").await?;

        page.evaluate(
            "(() => {\
               const script = document.createElement('script');\
               script.textContent = 'window.ran = true';\
               document.head.append(script);\
               document.body.insertAdjacentHTML('beforeend', '<b style=\"color: red\" onclick=\"ran = true\">x</b>');\
               document.body.lastChild.click();\
               return true;\
             })()",
        )
        .await?;
        page.wait_until("each is refused", "violations.length >= 3", SOON).await?;
        ensure!(page.evaluate("window.ran === undefined").await? == true, "a script from elsewhere ran");
        Ok(())
    })
    .await
}
