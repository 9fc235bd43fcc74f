//! Vigna's SplitMix64: a few lines whose numbers no release of a library can change.

/// A generator of random numbers: the same seed gives the same numbers, always.
#[derive(Debug, Clone)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// A generator for a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A generator for a name within a seed, independent of those of other names: what happens
    /// to one package does not shift the numbers of the next.
    pub fn named(seed: u64, name: &str) -> Self {
        let mut generator = Self(seed ^ fnv1a(name.as_bytes()));
        generator.next_u64();
        generator
    }

    /// The generator of one step of a run. Steps are independent, so that a resumed run draws what
    /// an unbroken one would.
    pub const fn at(seed: u64, step: u64) -> Self {
        let mut generator = Self(seed ^ step.wrapping_mul(0xd134_2543_de82_ef95));
        generator.next_u64();
        generator
    }

    /// Uniform over 0..1.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Standard normal (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// The next 64 random bits.
    pub const fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    ///
    /// # Panics
    /// If `bound` is 0.
    pub const fn below(&mut self, bound: usize) -> usize {
        (self.next_u64() % bound as u64) as usize
    }

    /// Whether something of a probability of `part` in `of` happens.
    pub const fn chance(&mut self, part: usize, of: usize) -> bool {
        self.below(of) < part
    }

    /// One of the items; `None` of none.
    pub fn choose<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        if items.is_empty() { None } else { items.get(self.below(items.len())) }
    }

    /// Fisher and Yates: every order is equally likely.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// The hash of Fowler, Noll and Vo: stable, and quick on short keys.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_published_ones() {
        // The reference implementation's first outputs for the seed 1234567.
        let mut random = SplitMix64::new(1_234_567);
        assert_eq!(random.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(random.next_u64(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn names_give_different_numbers_and_shuffling_keeps_all() {
        assert_ne!(SplitMix64::named(1, "a").next_u64(), SplitMix64::named(1, "b").next_u64());
        let mut items: Vec<_> = (0..100).collect();
        SplitMix64::new(7).shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
        assert_eq!(SplitMix64::new(7).choose::<u8>(&[]), None);
    }
}
