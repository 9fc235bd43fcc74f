//! Vectors of a text, as they are searched, kept and put into prompts: in 8 bits a number.
//!
//! A vector has one scale; a number is at most half a 127th of the largest away from what it was.
//! Whatever uses a vector uses it like this, whether it was made just now or recalled from a cache, so
//! that both give the same completion.

/// A text's vectors: its embedding, and its projection by each projector.
#[derive(Debug, Clone, PartialEq)]
pub struct Vectors {
    rows: Vec<Row>,
}

impl Vectors {
    /// Of an embedding, and for each projector a vector in the reader's input space.
    pub fn new<'a>(embedding: &'a [f32], projections: impl IntoIterator<Item = &'a [f32]>) -> Self {
        let rows = std::iter::once(embedding).chain(projections);
        Self { rows: rows.into_iter().map(Row::quantize).collect() }
    }

    /// The embedding, then the projections.
    pub fn from_rows(rows: Vec<Row>) -> Self {
        Self { rows }
    }

    /// Numbers of each.
    pub fn widths(&self) -> impl Iterator<Item = usize> {
        self.rows.iter().map(|row| row.values.len())
    }

    /// The embedding, then the projections.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }
}

/// A vector in 8 bits a number.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What a unit of `values` is worth.
    pub scale: f32,
    /// The numbers, in -127..=127.
    pub values: Box<[i8]>,
}

impl Row {
    /// The nearest numbers of 8 bits.
    pub fn quantize(numbers: &[f32]) -> Self {
        let largest = numbers.iter().fold(0.0f32, |largest, number| largest.max(number.abs()));
        let scale = largest / 127.0;
        let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
        // A cast saturates, and takes what is not a number for nought.
        let values = numbers.iter().map(|number| (number * inverse).round() as i8).collect();
        Self { scale, values }
    }

    /// The numbers.
    pub fn numbers(&self) -> impl Iterator<Item = f32> {
        dequantize(self.scale, &self.values)
    }
}

/// Vectors of a page: what is copied to a device at once.
const PAGE: usize = 8192;

/// Many vectors of one width, by number.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows {
    width: usize,
    scales: Vec<f32>,
    values: Vec<i8>,
    /// How often each page was changed.
    versions: Vec<u64>,
}

/// Some neighbouring vectors, and how often they were changed.
pub(super) struct Page<'a> {
    pub(super) version: u64,
    /// `[vectors, width]`.
    pub(super) values: &'a [i8],
    pub(super) scales: &'a [f32],
}

impl Rows {
    /// None yet, all to be `width` wide.
    pub(super) fn new(width: usize) -> Self {
        Self { width, ..Self::default() }
    }

    /// Numbers of a vector.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Puts a vector of this width in its place.
    pub(super) fn set(&mut self, number: usize, row: &Row) {
        // A page changes when it grows, too.
        let changed = number.min(self.scales.len()) / PAGE..=number / PAGE;
        if self.scales.len() <= number {
            self.scales.resize(number + 1, 0.0);
            self.values.resize((number + 1) * self.width, 0);
            self.versions.resize(number / PAGE + 1, 0);
        }
        self.versions[changed].iter_mut().for_each(|version| *version += 1);
        self.scales[number] = row.scale;
        self.values[number * self.width..][..self.width].copy_from_slice(&row.values);
    }

    /// All of them, the numbers that were not set nought.
    pub(super) fn pages(&self) -> impl Iterator<Item = Page<'_>> {
        let values = self.values.chunks(PAGE * self.width.max(1));
        let pages = self.versions.iter().zip(values).zip(self.scales.chunks(PAGE));
        pages.map(|((&version, values), scales)| Page { version, values, scales })
    }

    /// A vector that was set.
    pub(super) fn row(&self, number: usize) -> Row {
        Row { scale: self.scales[number], values: self.quantized(number).into() }
    }

    /// The numbers of a vector that was set.
    pub(super) fn numbers(&self, number: usize) -> impl Iterator<Item = f32> {
        dequantize(self.scales[number], self.quantized(number))
    }

    /// The dot product of a vector that was set with one of the same width.
    pub(super) fn dot(&self, number: usize, with: &[f32]) -> f32 {
        super::dense::dot(with, self.quantized(number)) * self.scales[number]
    }

    fn quantized(&self, number: usize) -> &[i8] {
        &self.values[number * self.width..][..self.width]
    }
}

fn dequantize(scale: f32, values: &[i8]) -> impl Iterator<Item = f32> {
    values.iter().map(move |&value| scale * f32::from(value))
}
