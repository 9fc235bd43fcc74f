//! How a matrix-vector kernel shares the matrix's rows between threads.

use burn::tensor::Device;

use crate::device::is_software;

/// Threads of a workgroup, how many of them share a row, and how many rows those own: constants of
/// the kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct VectorShape {
    threads: u32,
    lanes: u32,
    rows: u32,
}

impl VectorShape {
    /// Neighbouring threads read neighbouring blocks of a row.
    const GPU: Self = Self { threads: 64, lanes: 16, rows: 2 };
    /// On a software GPU reads need no neighbours, adding lanes' parts up is dear, and `x` is worth
    /// loading for as many rows as there are. Four threads are what one of its vectors holds.
    const SOFTWARE: Self = Self { threads: 4, lanes: 1, rows: 16 };

    /// Every shape there is.
    pub(super) const ALL: [Self; 2] = [Self::GPU, Self::SOFTWARE];

    /// The shape for a device.
    pub(super) fn of(device: &Device) -> Self {
        if is_software(device) { Self::SOFTWARE } else { Self::GPU }
    }

    /// The kernel's constants.
    pub(super) fn constants(self) -> Vec<(&'static str, u32)> {
        vec![("threads", self.threads), ("lanes", self.lanes), ("rows", self.rows)]
    }

    /// Rows of the matrix that one workgroup owns.
    pub(super) fn rows_per_workgroup(self) -> usize {
        (self.threads / self.lanes * self.rows) as usize
    }
}
