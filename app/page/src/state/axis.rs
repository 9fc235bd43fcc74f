//! The axis on which all lanes' times to the first token are drawn.

use super::engine::duration;

/// From here on a completion begins to feel late, in milliseconds.
pub const LATE_MS: f64 = 300.0;

/// An axis from nought. Bars on it compare by their lengths.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Axis {
    end_ms: f64,
}

/// Where an axis may end, times a power of ten. None is [`LATE_MS`]: its mark and the end's label would
/// stand on each other.
const ENDS: [f64; 9] = [1.0, 1.5, 2.0, 2.5, 4.0, 5.0, 6.0, 8.0, 10.0];

impl Axis {
    /// The shortest that has room for all of these milliseconds; of length nought where there are none.
    pub fn over(times: impl Iterator<Item = f64>) -> Self {
        let longest = times.filter(|ms| ms.is_finite()).fold(0.0, f64::max);
        if longest <= 0.0 {
            return Self::default();
        }
        // A shorter one than of a millisecond would have no label.
        let longest = longest.max(1.0);
        let unit = 10_f64.powf(longest.log10().floor());
        let end = ENDS.iter().map(|end| end * unit).find(|end| *end >= longest);
        Self { end_ms: end.unwrap_or(longest) }
    }

    /// How much of it a time takes, in percent.
    pub fn percent(self, ms: f64) -> f64 {
        if self.end_ms > 0.0 { (ms / self.end_ms * 100.0).clamp(0.0, 100.0) } else { 0.0 }
    }

    /// Where on it a completion begins to feel late, in percent; `None` if it ends before.
    pub fn late(self) -> Option<f64> {
        (self.end_ms > LATE_MS).then(|| self.percent(LATE_MS))
    }

    /// What stands at its end; `None` while nothing was measured.
    pub fn end(self) -> Option<String> {
        (self.end_ms > 0.0).then(|| duration(self.end_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn over(times: &[f64]) -> Axis {
        Axis::over(times.iter().copied())
    }

    #[test]
    fn it_ends_at_a_round_number_behind_the_longest_time() {
        let end = |ms: f64| over(&[12.0, ms, 3.0]).end().unwrap_or_default();
        assert_eq!(
            [12.0, 101.0, 180.0, 260.0, 400.0].map(end),
            ["15 ms", "150 ms", "200 ms", "400 ms", "400 ms"]
        );
        assert_eq!([999.0, 1000.0, 1001.0, 23_000.0].map(end), ["1.0 s", "1.0 s", "1.5 s", "25 s"]);
        assert_eq!(over(&[0.2]).end().as_deref(), Some("1 ms"));
    }

    #[test]
    fn times_are_shares_of_it() {
        let axis = over(&[380.0, 100.0]);
        assert_eq!((axis.percent(100.0), axis.percent(400.0), axis.percent(500.0)), (25.0, 100.0, 100.0));
    }

    #[test]
    fn it_says_where_late_begins_once_it_reaches_that_far() {
        assert_eq!(over(&[250.0]).late(), None);
        assert_eq!(over(&[251.0]).late(), Some(75.0));
        assert_eq!(over(&[3000.0]).late(), Some(7.5));
    }

    #[test]
    fn without_a_time_there_is_none() {
        let none = over(&[f64::NAN]);
        assert_eq!((none.end(), none.late(), none.percent(5.0)), (None, None, 0.0));
    }
}
