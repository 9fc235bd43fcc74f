//! Ways to decode sooner, which change nothing of what is said.

use std::collections::BTreeSet;

use super::*;

#[tokio::test]
async fn steps_queued_ahead_change_no_completion() {
    let mut page = Page::open(bundle(None, |prompt| {
        with_every_lane(prompt);
        // Some completions end by it.
        prompt.max_new_tokens = 7;
    }))
    .await;
    let mut ends = BTreeSet::new();
    for lane in page.engine.lanes() {
        for place in ["total = area_of(", "print(circle.", "def area_of(circle):\n    return c"] {
            for multi_line in [false, true] {
                let cursor = CompletionRequest::at("main.py", place, "\n");
                let request = CompletionRequest { multi_line, cold: true, ..cursor };
                page.engine.queue_ahead(0);
                let plain = page.complete(lane, &request).await.expect("it completes");
                for steps in [1, 2, 30] {
                    page.engine.queue_ahead(steps);
                    let ahead = page.complete(lane, &request).await.expect("it completes");
                    assert_eq!(
                        (&ahead.text, ahead.stop, &ahead.log_probabilities),
                        (&plain.text, plain.stop, &plain.log_probabilities),
                        "{lane:?} at {place:?}, {steps} ahead"
                    );
                }
                let warm = CompletionRequest { cold: false, ..request };
                let warm = page.complete(lane, &warm).await.expect("it completes");
                assert!(warm.reused_tokens > 0, "what was queued too far is no part of the prompt");
                assert_eq!(warm.text, plain.text);
                ends.insert(format!("{:?}", plain.stop));
            }
        }
    }
    assert!(ends.len() > 1, "{ends:?}");
}

#[tokio::test]
async fn draft_tokens_change_no_completion() {
    let mut page = Page::open(bundle(None, with_every_lane)).await;
    let text = "def area_of(circle):\n    return circle.area() * circle.radius\n\n\n";
    let places = [
        "def area_of(square):\n    ",
        "total = area_of(",
        "print(circle.",
        "def area_of(circle):\n    return c",
    ];
    let (mut draft_tokens, mut accepted_tokens) = (0, 0);
    for lane in page.engine.lanes() {
        for place in places {
            for multi_line in [false, true] {
                let cursor = CompletionRequest::at("main.py", text.repeat(2) + place, "\n");
                let request = CompletionRequest { multi_line, cold: true, ..cursor };
                page.engine.look_up(0);
                let plain = page.complete(lane, &request).await.expect("it completes");
                page.engine.look_up(usize::MAX);
                let looked_up = page.complete(lane, &request).await.expect("it completes");
                assert_eq!((plain.draft_tokens, plain.accepted_tokens), (0, 0));
                assert_eq!(
                    (&looked_up.text, looked_up.stop, looked_up.new_tokens),
                    (&plain.text, plain.stop, plain.new_tokens),
                    "{lane:?} at {place:?}"
                );
                let apart = |(a, b): (&f32, &f32)| (a - b).abs();
                let pairs = looked_up.log_probabilities.iter().zip(&plain.log_probabilities);
                assert!(pairs.map(apart).all(|apart| apart < 1e-3));
                draft_tokens += looked_up.draft_tokens;
                accepted_tokens += looked_up.accepted_tokens;
            }
        }
    }
    assert!(0 < accepted_tokens && accepted_tokens < draft_tokens, "{accepted_tokens} of {draft_tokens}");
}
