//! Strided views of matrices, and their product.

use gemm::{Parallelism, gemm};

use super::real::Real;

/// A matrix somewhere in a slice.
#[derive(Debug, Clone, Copy)]
pub struct View<'a, T> {
    data: &'a [T],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a, T> View<'a, T> {
    /// Row-major, one row every `row_stride` elements.
    ///
    /// # Panics
    /// If the slice is too short.
    pub fn new(data: &'a [T], rows: usize, cols: usize, row_stride: usize) -> Self {
        check(data.len(), rows, cols, row_stride);
        Self { data, rows, cols, row_stride, col_stride: 1 }
    }

    /// Row-major without gaps.
    pub fn dense(data: &'a [T], rows: usize, cols: usize) -> Self {
        Self::new(data, rows, cols, cols)
    }

    /// Rows as columns.
    pub fn transposed(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }
}

/// A matrix to write to: row-major, one row every `row_stride` elements.
#[derive(Debug)]
pub struct ViewMut<'a, T> {
    data: &'a mut [T],
    rows: usize,
    cols: usize,
    row_stride: usize,
}

impl<'a, T> ViewMut<'a, T> {
    /// Row-major, one row every `row_stride` elements.
    ///
    /// # Panics
    /// If the slice is too short.
    pub fn new(data: &'a mut [T], rows: usize, cols: usize, row_stride: usize) -> Self {
        check(data.len(), rows, cols, row_stride);
        Self { data, rows, cols, row_stride }
    }

    /// Row-major without gaps.
    pub fn dense(data: &'a mut [T], rows: usize, cols: usize) -> Self {
        Self::new(data, rows, cols, cols)
    }
}

fn check(len: usize, rows: usize, cols: usize, row_stride: usize) {
    let needed = if rows == 0 || cols == 0 { 0 } else { (rows - 1) * row_stride + cols };
    assert!(cols <= row_stride && needed <= len, "a {rows}×{cols} matrix in {len} elements");
}

/// `c = scale · a·b`, or `c += scale · a·b` if `accumulate`. On the calling thread: the engine's
/// parallelism is over micro-batches.
///
/// # Panics
/// If the shapes do not fit.
pub fn multiply<T: Real>(c: ViewMut<'_, T>, a: View<'_, T>, b: View<'_, T>, scale: T, accumulate: bool) {
    assert!(
        c.rows == a.rows && c.cols == b.cols && a.cols == b.rows,
        "{}×{} is no product of {}×{} and {}×{}",
        c.rows,
        c.cols,
        a.rows,
        a.cols,
        b.rows,
        b.cols
    );
    // SAFETY: `View::new`, `ViewMut::new` and `transposed` keep every element of the three
    // matrices inside their slices, `c` is borrowed alone, and `T` is f32 or f64.
    #[allow(unsafe_code)]
    unsafe {
        gemm(
            c.rows,
            c.cols,
            a.cols,
            c.data.as_mut_ptr(),
            1,
            c.row_stride as isize,
            accumulate,
            a.data.as_ptr(),
            a.col_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.col_stride as isize,
            b.row_stride as isize,
            T::one(),
            scale,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

/// `y = x · Wᵀ` (or `y +=`), with `x` `[rows, cols]` and `W` `[width, cols]`.
pub fn linear<T: Real>(y: &mut [T], x: &[T], weight: &[T], rows: usize, accumulate: bool) {
    if rows == 0 {
        return;
    }
    let (cols, width) = (x.len() / rows, y.len() / rows);
    let c = ViewMut::dense(y, rows, width);
    multiply(
        c,
        View::dense(x, rows, cols),
        View::dense(weight, width, cols).transposed(),
        T::one(),
        accumulate,
    );
}

/// The two gradients of [`linear`]: `dx = dy · W` (or `dx +=`), and [`weight_gradient`] where
/// wanted.
pub fn linear_backward<T: Real>(
    dx: &mut [T],
    accumulate: bool,
    d_weight: Option<&mut [T]>,
    dy: &[T],
    x: &[T],
    weight: &[T],
    rows: usize,
) {
    if rows == 0 {
        return;
    }
    let (cols, width) = (dx.len() / rows, dy.len() / rows);
    let dy_view = View::dense(dy, rows, width);
    multiply(ViewMut::dense(dx, rows, cols), dy_view, View::dense(weight, width, cols), T::one(), accumulate);
    if let Some(d_weight) = d_weight {
        weight_gradient(d_weight, dy, x, rows);
    }
}

/// `dW += dyᵀ · x`.
pub fn weight_gradient<T: Real>(d_weight: &mut [T], dy: &[T], x: &[T], rows: usize) {
    if rows == 0 {
        return;
    }
    let (cols, width) = (x.len() / rows, dy.len() / rows);
    let dy = View::dense(dy, rows, width).transposed();
    multiply(ViewMut::dense(d_weight, width, cols), dy, View::dense(x, rows, cols), T::one(), true);
}
