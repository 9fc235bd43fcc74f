//! What is kept from one completion to the next.

use super::*;

/// What a lane says, without the times.
fn said(completion: &Completion) -> (String, usize) {
    (completion.text.clone(), completion.prompt_tokens)
}

#[tokio::test]
async fn soft_tokens_that_did_not_change_are_not_read_again() {
    let mut page = Page::open(bundle(None, soft_tokens(3))).await;
    let mut again = CompletionRequest { cold: false, ..request() };
    let first = page.complete(Lane::Compressed, &again).await.expect("it completes");
    again.prefix.push('a');
    let second = page.complete(Lane::Compressed, &again).await.expect("it completes");
    assert_eq!(first.reused_tokens, 0);
    assert!(second.reused_tokens > 3, "the three and what stands before the change: {second:?}");
}

#[tokio::test]
async fn a_chunk_is_read_once_and_kept_within_bounds() {
    let mut page = Page::open(bundle(None, with_every_lane)).await;
    let full_rag = page.complete(Lane::FullRag, &request()).await.expect("it completes");
    let first = page.complete(Lane::Cached, &request()).await.expect("it completes");
    assert_eq!((first.ttft.encoded_chunks, first.reused_tokens), (1, 0));
    assert_eq!(first.prompt_tokens, full_rag.prompt_tokens + 1, "the sink is new");
    let again = page.complete(Lane::Cached, &request()).await.expect("it completes");
    assert_eq!((said(&again), again.ttft.encoded_chunks), (said(&first), 0));
    assert!(again.reused_tokens > 0);
    page.engine.keep_chunks_within(0);
    let unkept = page.complete(Lane::Cached, &request()).await.expect("it completes");
    assert_eq!((said(&unkept), unkept.ttft.encoded_chunks), (said(&first), 1), "nothing may be kept");
}

#[tokio::test]
async fn where_other_chunks_are_found_the_text_before_the_cursor_is_moved() {
    const REREAD: usize = 16;
    let mut page = Page::open(bundle(None, |prompt| {
        with_every_lane(prompt);
        prompt.reread_tokens = REREAD;
    }))
    .await;
    let text = "circle = Circle()\n".repeat(20);
    let asked = |cold, end: &str| CompletionRequest { prefix: text.clone() + end, cold, ..request() };
    for (n, name) in ["square", "round", "long"].into_iter().enumerate() {
        for lane in [Lane::FullRag, Lane::Cached] {
            // Typing: all but what is new is there.
            let first = page.complete(lane, &asked(n == 0, "print(circle.")).await.expect("it completes");
            let typed = page.complete(lane, &asked(false, "print(circle.a")).await.expect("it completes");
            assert!(typed.reused_tokens + 8 > first.prompt_tokens, "{typed:?}");
        }
        // Another chunk in front of everything.
        let other = format!("def {name}(circle):\n    return Circle({n}).area() + circle.radius\n");
        page.workspace.update(&format!("{name}.py"), &other);
        page.embed().await;
        let end = format!("print(circle.a\n{name}(circle.");
        let base = page.complete(Lane::Base, &asked(true, &end)).await.expect("it completes");
        for lane in [Lane::FullRag, Lane::Cached] {
            let moved = page.complete(lane, &asked(false, &end)).await.expect("it completes");
            let new_chunks = moved.ttft.encoded_chunks;
            assert_eq!(new_chunks, usize::from(lane == Lane::Cached), "{lane:?}: a chunk is read once");
            let read = moved.prompt_tokens - moved.reused_tokens;
            let context = moved.prompt_tokens - base.prompt_tokens;
            assert!(moved.reused_tokens + REREAD + 24 > base.prompt_tokens, "{lane:?}: {moved:?}");
            assert!(read < context + REREAD + 24, "{lane:?}: {read} were read, {context} of them context");
            // Asked again, it is held as it is.
            let again = page.complete(lane, &asked(false, &end)).await.expect("it completes");
            assert_eq!(again.reused_tokens + 1, again.prompt_tokens);
            assert_eq!(again.text, moved.text);
            let cold = page.complete(lane, &asked(true, &end)).await.expect("it completes");
            assert_eq!((cold.prompt_tokens, cold.ttft.encoded_chunks), (moved.prompt_tokens, 0));
        }
    }
}

/// A page whose prompts show so much of what stands after the cursor before what stands before it.
async fn page_with_suffix_as_context(suffix_tokens: usize, reread_tokens: usize) -> Page {
    Page::open(bundle(None, |prompt| {
        with_every_lane(prompt);
        prompt.style = Some(PromptStyle::Causal);
        prompt.suffix_as_context = true;
        prompt.suffix_tokens = suffix_tokens;
        prompt.reread_tokens = reread_tokens;
    }))
    .await
}

/// At the end of one of thirty lines, as if one had gone there by a key.
fn behind_line(line: usize) -> CompletionRequest {
    let lines: Vec<String> = (0..30).map(|n| format!("circle_{n} = Circle()\n")).collect();
    let text = lines[..=line].concat();
    let after = format!("\n{}", lines[line + 1..].concat());
    let cursor = CompletionRequest::at("main.py", text.trim_end(), &after);
    CompletionRequest { cold: false, ..cursor }
}

#[tokio::test]
async fn where_other_text_stands_after_the_cursor_that_before_it_is_moved() {
    const REREAD: usize = 16;
    const SUFFIX: usize = 24;
    let mut page = page_with_suffix_as_context(SUFFIX, REREAD).await;
    for lane in [Lane::Base, Lane::Excerpt] {
        let first = page.complete(lane, &behind_line(20)).await.expect("it completes");
        let moved = page.complete(lane, &behind_line(23)).await.expect("it completes");
        let new = moved.prompt_tokens.saturating_sub(first.prompt_tokens);
        let read = moved.prompt_tokens - moved.reused_tokens;
        // What stands after the cursor, the excerpt, the lines that are new.
        assert!(
            read < SUFFIX + 40 + REREAD + new + 32,
            "{lane:?}: {read} of {} were read",
            moved.prompt_tokens
        );
    }
}

#[tokio::test]
async fn where_other_chunks_are_found_what_stands_after_the_cursor_is_moved_too() {
    const REREAD: usize = 16;
    const SUFFIX: usize = 100;
    let mut page = page_with_suffix_as_context(SUFFIX, REREAD).await;
    let base = page.complete(Lane::Base, &behind_line(12)).await.expect("it completes");
    page.complete(Lane::FullRag, &behind_line(12)).await.expect("it completes");
    page.workspace.update("square.py", "circle_12 = Circle()\ncircle_13 = Circle()\n");
    page.embed().await;
    let moved = page.complete(Lane::FullRag, &behind_line(12)).await.expect("it completes");
    let read = moved.prompt_tokens - moved.reused_tokens;
    let context = moved.prompt_tokens - base.prompt_tokens;
    assert!(base.prompt_tokens > 2 * SUFFIX, "{base:?}");
    assert!(read < context + REREAD + 24, "{read} were read, {context} of them context");
}

#[tokio::test]
async fn text_is_moved_only_where_a_bundle_asks_for_it() {
    let mut page = Page::open(bundle(None, with_every_lane)).await;
    let text = "circle = Circle()\n".repeat(20);
    let asked = |end: &str| CompletionRequest { prefix: text.clone() + end, cold: false, ..request() };
    page.complete(Lane::FullRag, &asked("print(circle.")).await.expect("it completes");
    page.workspace.update("square.py", "def square(circle):\n    return Circle().area() + circle.radius\n");
    page.embed().await;
    let read = page.complete(Lane::FullRag, &asked("square(circle.")).await.expect("it completes");
    // The other chunk, perhaps, where it stands first.
    assert!(read.reused_tokens < 40, "{read:?}");
}

#[tokio::test]
async fn a_completion_that_is_given_up_leaves_the_text_where_it_was() {
    let mut page = Page::open(bundle(None, |prompt| {
        with_every_lane(prompt);
        prompt.reread_tokens = 16;
    }))
    .await;
    let text = "circle = Circle()\n".repeat(20);
    let asked = |end: &str| CompletionRequest { prefix: text.clone() + end, cold: false, ..request() };
    let first = page.complete(Lane::FullRag, &asked("print(circle.")).await.expect("it completes");
    page.workspace.update("square.py", "def square(circle):\n    return Circle().area() + circle.radius\n");
    page.embed().await;
    let cancelled = page.give_up(Lane::FullRag, &asked("square(circle.")).await;
    assert!(matches!(cancelled, Err(Error::Cancelled)), "{cancelled:?}");
    page.workspace.update("square.py", "");
    page.embed().await;
    let again = page.complete(Lane::FullRag, &asked("print(circle.")).await.expect("it completes");
    assert_eq!(again.reused_tokens + 1, first.prompt_tokens, "{again:?}");
    assert_eq!(again.text, first.text);
}
