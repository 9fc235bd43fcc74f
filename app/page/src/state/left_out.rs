//! Chunks that the user left out of retrieval, at one place of the cursor.

use llavacode_api::completion::{ChunkSpan, RetrievedChunk};

/// A place of the cursor, as far as it has to be told from others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    path: String,
    before: usize,
    after: usize,
}

impl Place {
    /// The place between two texts of a file.
    pub fn of(path: &str, prefix: &str, suffix: &str) -> Self {
        Self { path: path.to_owned(), before: prefix.len(), after: suffix.len() }
    }
}

/// What was left out there. It stays listed, so that it can be taken in again; what was taken in again
/// stays until the lanes have answered with it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LeftOut {
    place: Place,
    /// Each chunk once, and whether it is out.
    chunks: Vec<(RetrievedChunk, bool)>,
}

impl LeftOut {
    /// Completions are asked for at this place; at another one all begin anew. Returns whether that
    /// changes anything to be seen.
    pub fn arrive(&mut self, place: Place) -> bool {
        let other = self.place != place;
        self.place = place;
        let changes = other && !self.chunks.is_empty();
        if changes {
            self.chunks.clear();
        }
        changes
    }

    /// Nothing is left out any longer.
    pub fn clear(&mut self) {
        self.chunks.clear();
    }

    /// Leaves a chunk out, or takes it in again.
    pub fn toggle(&mut self, chunk: &RetrievedChunk) {
        match self.chunks.iter_mut().find(|(known, _)| known.span == chunk.span) {
            Some((_, out)) => *out = !*out,
            None => self.chunks.push((chunk.clone(), true)),
        }
    }

    /// Takes all in again.
    pub fn put_all_back(&mut self) {
        self.chunks.iter_mut().for_each(|(_, out)| *out = false);
    }

    /// The lanes have answered: what was taken in again is among their chunks, or will not be. Returns
    /// whether that changes anything.
    pub fn settle(&mut self) -> bool {
        let before = self.chunks.len();
        self.chunks.retain(|(_, out)| *out);
        self.chunks.len() != before
    }

    /// The chunks that are out.
    pub fn spans(&self) -> Vec<ChunkSpan> {
        let out = self.chunks.iter().filter(|(_, out)| *out);
        out.map(|(chunk, _)| chunk.span.clone()).collect()
    }

    /// How many are out.
    pub fn count(&self) -> usize {
        self.chunks.iter().filter(|(_, out)| *out).count()
    }

    /// Whether this one is.
    pub fn is_out(&self, span: &ChunkSpan) -> bool {
        self.chunks.iter().any(|(chunk, out)| *out && chunk.span == *span)
    }

    /// What is listed: what was retrieved, and among it, by its score, what was left out. Where the
    /// others stand does not change by it.
    pub fn listed(&self, retrieved: &[RetrievedChunk]) -> Vec<RetrievedChunk> {
        let mut listed = retrieved.to_vec();
        for (chunk, _) in &self.chunks {
            if listed.iter().all(|other| other.span != chunk.span) {
                let place = listed.iter().position(|other| is_before(chunk, other));
                listed.insert(place.unwrap_or(listed.len()), chunk.clone());
            }
        }
        listed
    }
}

/// The order of retrieval: by score, and of equal scores by place.
fn is_before(a: &RetrievedChunk, b: &RetrievedChunk) -> bool {
    let place = |chunk: &RetrievedChunk| (chunk.span.path.clone(), chunk.span.start_line);
    a.score > b.score || a.score == b.score && place(a) < place(b)
}

#[cfg(test)]
mod tests {
    use llavacode_api::completion::Ranks;

    use super::*;

    fn chunk(path: &str, score: f32) -> RetrievedChunk {
        let span = ChunkSpan { path: path.into(), start_line: 0, end_line: 10 };
        RetrievedChunk { span, text: path.into(), score, ranks: Ranks::default() }
    }

    fn paths(chunks: &[RetrievedChunk]) -> Vec<&str> {
        chunks.iter().map(|chunk| chunk.span.path.as_str()).collect()
    }

    #[test]
    fn what_is_left_out_keeps_its_place_in_the_list() {
        let (a, b, c, d) = (chunk("a", 0.9), chunk("b", 0.5), chunk("c", 0.5), chunk("d", 0.2));
        let mut left_out = LeftOut::default();
        left_out.toggle(&b);
        left_out.toggle(&a);
        assert_eq!((left_out.count(), left_out.is_out(&b.span), left_out.is_out(&c.span)), (2, true, false));
        // Before the answer and after it.
        assert_eq!(paths(&left_out.listed(&[a.clone(), b.clone(), c.clone()])), ["a", "b", "c"]);
        assert_eq!(paths(&left_out.listed(&[c.clone(), d.clone()])), ["a", "b", "c", "d"]);
        assert_eq!(paths(&left_out.listed(&[])), ["a", "b"]);
    }

    #[test]
    fn what_was_put_back_is_listed_until_the_answer_has_it() {
        let (a, b) = (chunk("a", 0.9), chunk("b", 0.5));
        let mut left_out = LeftOut::default();
        left_out.toggle(&a);
        left_out.toggle(&a);
        assert!(left_out.spans().is_empty() && !left_out.is_out(&a.span));
        assert_eq!(paths(&left_out.listed(std::slice::from_ref(&b))), ["a", "b"]);
        assert!(left_out.settle());
        assert_eq!(paths(&left_out.listed(&[a.clone(), b.clone()])), ["a", "b"]);
        assert_eq!(paths(&left_out.listed(std::slice::from_ref(&b))), ["b"]);
        left_out.toggle(&a);
        left_out.toggle(&b);
        left_out.put_all_back();
        assert_eq!((left_out.count(), left_out.listed(&[]).len()), (0, 2));
    }

    #[test]
    fn leaving_out_ends_with_the_place() {
        let here = Place::of("main.py", "x = ", "\n");
        let mut left_out = LeftOut::default();
        assert!(!left_out.arrive(here.clone()));
        left_out.toggle(&chunk("a", 0.9));
        assert!(!left_out.arrive(here));
        assert_eq!(left_out.spans(), [chunk("a", 0.9).span]);
        assert!(left_out.arrive(Place::of("other.py", "x = ", "\n")));
        assert_eq!(left_out, LeftOut { place: Place::of("other.py", "x = ", "\n"), ..LeftOut::default() });
    }
}
