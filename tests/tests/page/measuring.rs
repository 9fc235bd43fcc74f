//! Measuring on one's own files, and choosing how chunks are ranked.

use std::time::Duration;

use anyhow::{Result, ensure};
use llavacode_tests::harness::{Page, visit};
use llavacode_tests::webdriver::BrowserOptions;

use crate::folder::{SOON, open, with_folder};
use crate::site;

/// On a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

const GAUGE: &str = "\
class TideGauge:
    def __init__(self, station_code, datum):
        self.station_code = station_code
        self.datum = datum

    def read_level(self, moment):
        raw_level = self.datum.lookup(moment)
        return raw_level * self.datum.scale_factor
";

const REPORT: &str = "\
def write_report(gauge, moments):
    levels = [gauge.read_level(moment) for moment in moments]
    highest = max(levels)
    return f\"{gauge.station_code}: {highest}\"
";

#[tokio::test]
async fn lines_of_ones_own_files_are_measured_and_stay_when_it_is_stopped() -> Result<()> {
    visit("measuring", with_folder(site()?)?, "", &BrowserOptions::default(), async |page| {
        open(page, &[("gauge.py", GAUGE), ("report.py", REPORT), ("README.md", "no code\n")]).await?;
        page.wait_until_usable().await?;
        page.element("tab-measure").await?.click().await?;
        page.element("measure-run").await?.click().await?;
        let lines = "document.querySelectorAll('.task').length >= 2";
        page.wait_until("two lines are measured", lines, PATIENCE).await?;
        if !is(page, "measure", "done").await? {
            page.element("measure-run").await?.click().await?;
            let over = "['stopped', 'done'].includes(document.querySelector(\"[data-testid='measure']\").dataset.state)";
            page.wait_until("it is stopped", over, SOON).await?;
        }
        page.screenshot("measured").await?;
        let shown = "document.querySelectorAll('.task').length";
        let all = page.evaluate(shown).await?;
        ensure!(all.as_i64() >= Some(2), "what was measured stays: {all}");
        let target = page.evaluate("document.querySelector('.task-target').textContent").await?;
        let target = target.as_str().unwrap_or_default().trim().to_owned();
        ensure!([GAUGE, REPORT].concat().contains(&target), "{target:?} is no line of the files");
        choose(page, "task-filter", "needs-context").await?;
        let tagged = "[...document.querySelectorAll('.task .tag')].every(tag => !tag.hidden)";
        page.wait_until("only such lines are shown", tagged, SOON).await?;
        choose(page, "task-filter", "needs-none").await?;
        let untagged = "[...document.querySelectorAll('.task .tag')].every(tag => tag.hidden)";
        page.wait_until("only the others are shown", untagged, SOON).await?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn rankers_are_compared_on_ones_own_lines_where_that_is_asked_for() -> Result<()> {
    visit("rankers-compared", with_folder(site()?)?, "", &BrowserOptions::default(), async |page| {
        open(page, &[("gauge.py", GAUGE), ("report.py", REPORT)]).await?;
        page.wait_until_usable().await?;
        page.element("tab-measure").await?.click().await?;
        choose(page, "measure-count", "20").await?;
        page.element("measure-rankers").await?.click().await?;
        page.element("measure-run").await?.click().await?;
        page.wait_for_state("measure", "done", PATIENCE).await?;
        page.element("rankers-compared").await?;
        page.screenshot("rankers-compared").await?;
        let rows = "[...document.querySelectorAll(\"[data-testid='rankers-compared'] tbody tr\")]\
            .map(row => [...row.children].map(cell => cell.textContent))";
        let rows: Vec<Vec<String>> = serde_json::from_value(page.evaluate(rows).await?)?;
        let names: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
        ensure!(
            names == ["shared words (Jaccard)", "rare words (BM25)", "embeddings", "words and embeddings"],
            "{rows:?}"
        );
        ensure!(!rows[0][2].contains('('), "the chosen one is what the others are compared with: {rows:?}");
        ensure!(rows[1..].iter().all(|row| row[2].contains('…') && row[3].contains('…')), "{rows:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn another_ranker_asks_again_and_shows_what_its_score_is_made_of() -> Result<()> {
    visit("rankers", site()?, "", &BrowserOptions::default(), async |page| {
        page.wait_until_usable().await?;
        page.wait_for_state("lane-compressed", "done", PATIENCE).await?;
        ensure!(page.evaluate("document.querySelector('.ranks') === null").await? == true);
        choose(page, "ranker", "hybrid").await?;
        page.wait_until("chunks have two ranks", "document.querySelector('.ranks') !== null", PATIENCE)
            .await?;
        let ranks = page.evaluate("document.querySelector('.ranks').textContent").await?;
        let ranks = ranks.as_str().unwrap_or_default().to_owned();
        ensure!(ranks.contains("words ") && ranks.contains("embedding "), "{ranks}");
        page.reload().await?;
        page.wait_until_usable().await?;
        let kept = page.evaluate("document.querySelector(\"[data-testid='ranker']\").value").await?;
        ensure!(kept == "hybrid", "the choice is kept: {kept}");
        Ok(())
    })
    .await
}

async fn is(page: &Page, testid: &str, state: &str) -> Result<bool> {
    let script = format!("document.querySelector(\"[data-testid='{testid}']\").dataset.state === '{state}'");
    Ok(page.evaluate(&script).await? == true)
}

async fn choose(page: &Page, testid: &str, value: &str) -> Result<()> {
    let script = format!(
        "(() => {{ const select = document.querySelector(\"[data-testid='{testid}']\");\
           select.value = '{value}';\
           select.dispatchEvent(new Event('change', {{ bubbles: true }})); }})()"
    );
    page.evaluate(&script).await.map(|_| ())
}
