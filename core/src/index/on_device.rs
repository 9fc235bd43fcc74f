//! Embeddings on a GPU: exact search where the models are.
//!
//! They lie there in pages, and a page is put there anew once a vector in it has changed. What comes back
//! is one product a vector; ranking goes on as if the processor had multiplied.

use burn::tensor::{Device, Tensor, TensorData};

use super::{
    store::Index,
    vectors::{Page, Rows},
};
use crate::{
    Result, device,
    kernel::{self, ByteRows},
};

/// An index's embeddings on a device.
#[derive(Debug, Default)]
pub struct OnDevice {
    pages: Vec<Copied>,
}

/// A page as it was when it was copied.
#[derive(Debug)]
struct Copied {
    version: u64,
    rows: ByteRows,
}

impl OnDevice {
    /// The product of a query's embedding with each embedding of the index, which must be the same index
    /// each time: what [`Query::products`](super::Query::products) takes. `None` if there is none of this
    /// width, or if the width is no multiple of four.
    ///
    /// # Errors
    /// [`Error::Device`](crate::Error::Device) if the device fails.
    pub async fn products(
        &mut self,
        index: &Index,
        query: &[f32],
        device: &Device,
    ) -> Result<Option<Vec<f32>>> {
        let width = query.len();
        let Some(rows) = index.embeddings().filter(|rows| rows.width() == width && width.is_multiple_of(4))
        else {
            return Ok(None);
        };
        self.follow(rows, device);
        let query = Tensor::from_data(TensorData::from(query), device);
        let products = self.pages.iter().map(|page| kernel::dot_rows(query.clone(), &page.rows)).collect();
        // One read for all of them: a read waits for the device.
        device::read(Tensor::cat(products, 0)).await.map(Some)
    }

    fn follow(&mut self, rows: &Rows, device: &Device) {
        for (number, Page { version, values, scales }) in rows.pages().enumerate() {
            if self.pages.get(number).is_some_and(|page| page.version == version) {
                continue;
            }
            let copied = Copied { version, rows: ByteRows::new(values, scales, device) };
            match self.pages.get_mut(number) {
                Some(page) => *page = copied,
                None => self.pages.push(copied),
            }
        }
    }
}
