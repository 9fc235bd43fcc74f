//! Going to a file, and finding in one and in all of them, by the keyboard alone.

use anyhow::{Result, ensure};
use llavacode_tests::harness::{Key, Page, visit};
use llavacode_tests::webdriver::BrowserOptions;

use crate::folder::{SOON, control, open, open_file, shows, with_folder};
use crate::site;

const FILES: [(&str, &str); 3] = [
    ("shop/cart.py", "def total(cart):\n    return sum(cart)\n"),
    ("shop/cartography.py", "Total = 3\n"),
    ("tests/test_cart.py", "from shop.cart import total\n\nassert total([1, 2]) == 3\n"),
];

#[tokio::test]
async fn a_file_is_gone_to_by_letters_of_its_path() -> Result<()> {
    visit("go-to-file", with_folder(site()?)?, "", &BrowserOptions::default(), async |page| {
        open(page, &FILES).await?;
        page.element("editor-content").await?.click().await?;
        control(page, 'p').await?;
        page.wait_until("the dialog", "document.activeElement?.dataset?.testid === 'go-to-text'", SOON)
            .await?;
        page.type_text("cart").await?;
        let found = options(page).await?;
        ensure!(
            found == ["shop/cart.py", "shop/cartography.py", "tests/test_cart.py"],
            "to cart fits {found:?}"
        );
        page.prefer_colours("dark").await?;
        page.screenshot("go-to-file").await?;
        page.press(&[Key::Down]).await?;
        page.press(&[Key::Down]).await?;
        page.press(&[Key::Enter]).await?;
        shows(page, |path| path == "tests/test_cart.py").await?;
        in_editor(page).await?;

        control(page, 'p').await?;
        page.wait_until("the dialog", "document.activeElement?.dataset?.testid === 'go-to-text'", SOON)
            .await?;
        page.type_text("scart:2").await?;
        page.press(&[Key::Enter]).await?;
        shows(page, |path| path == "shop/cart.py").await?;
        at(page, "Ln 2, Col 1").await?;

        control(page, 'p').await?;
        page.wait_until("the dialog", "document.activeElement?.dataset?.testid === 'go-to-text'", SOON)
            .await?;
        page.press(&[Key::Escape]).await?;
        page.wait_until("it closes", "!document.querySelector(\"[data-testid='go-to-file']\").open", SOON)
            .await?;
        in_editor(page).await
    })
    .await
}

#[tokio::test]
async fn a_text_is_found_in_all_files() -> Result<()> {
    visit("find-in-files", with_folder(site()?)?, "", &BrowserOptions::default(), async |page| {
        open(page, &FILES).await?;
        page.element("editor-content").await?.click().await?;
        page.press(&[Key::Control, Key::Shift, Key::Letter('f')]).await?;
        page.wait_until("the search", "document.activeElement?.dataset?.testid === 'find-text'", SOON)
            .await?;
        page.type_text("total").await?;
        summary(page, "4 places in 3 files.").await?;
        page.screenshot("find-in-files").await?;
        page.element("find-case").await?.click().await?;
        summary(page, "3 places in 2 files.").await?;

        page.element("find-text").await?.click().await?;
        for _ in 0..3 {
            page.press(&[Key::Down]).await?;
        }
        let focused = page
            .evaluate("document.activeElement.dataset.path + ':' + document.activeElement.dataset.line")
            .await?;
        ensure!(focused == "tests/test_cart.py:3", "the arrows lead to {focused}");
        page.press(&[Key::Enter]).await?;
        shows(page, |path| path == "tests/test_cart.py").await?;
        at(page, "Ln 3, Col 13").await?;
        in_editor(page).await?;
        let selected = page.evaluate("window.getSelection().toString()").await?;
        ensure!(selected == "total", "{selected} is selected");

        // What is typed counts at once.
        page.type_text("subtotal").await?;
        page.element("find-word").await?.click().await?;
        summary(page, "2 places in 2 files.").await?;
        page.press(&[Key::Escape]).await?;
        page.wait_until(
            "the tree is back",
            "document.querySelector(\"[data-testid='find']\") === null",
            SOON,
        )
        .await?;
        in_editor(page).await
    })
    .await
}

#[tokio::test]
async fn a_text_is_found_and_replaced_in_the_open_file() -> Result<()> {
    visit("find-in-file", with_folder(site()?)?, "", &BrowserOptions::default(), async |page| {
        open(page, &FILES).await?;
        open_file(page, "shop/cart.py").await?;
        page.element("editor-content").await?.click().await?;
        control(page, 'f').await?;
        page.wait_until("the panel", "document.activeElement?.name === 'search'", SOON).await?;
        page.type_text("cart").await?;
        for scheme in ["dark", "light"] {
            page.prefer_colours(scheme).await?;
            page.screenshot(&format!("find-{scheme}")).await?;
        }
        page.press(&[Key::Tab]).await?;
        page.evaluate("document.querySelector(\".cm-search [name='replace']\").focus()").await?;
        page.type_text("basket").await?;
        page.evaluate("document.querySelector(\".cm-search [name='replaceAll']\").click()").await?;
        let text = page.editor_text().await?;
        ensure!(text == "def total(basket):\n    return sum(basket)\n", "replaced to {text:?}");
        page.press(&[Key::Escape]).await?;
        page.wait_until("the panel closes", "document.querySelector('.cm-search') === null", SOON).await?;
        in_editor(page).await
    })
    .await
}

/// The paths that "Go to file" offers, once it offers some.
async fn options(page: &Page) -> Result<Vec<String>> {
    let paths = "[...document.querySelectorAll('#files-found li')].map(li => li.dataset.path)";
    let paths = page.evaluate(paths).await?;
    Ok(paths.as_array().into_iter().flatten().filter_map(|path| path.as_str()).map(str::to_owned).collect())
}

async fn summary(page: &Page, wanted: &str) -> Result<()> {
    let says =
        format!("document.querySelector(\"[data-testid='find-summary']\").textContent.trim() === '{wanted}'");
    page.wait_until(&format!("the search says {wanted}"), &says, SOON).await.map(|_| ())
}

async fn at(page: &Page, place: &str) -> Result<()> {
    let says = format!("document.querySelector(\"[data-testid='status']\").textContent.includes('{place}')");
    page.wait_until(&format!("the cursor is at {place}"), &says, SOON).await.map(|_| ())
}

async fn in_editor(page: &Page) -> Result<()> {
    let focused = "document.activeElement?.dataset?.testid === 'editor-content'";
    page.wait_until("the keyboard is in the editor", focused, SOON).await.map(|_| ())
}
