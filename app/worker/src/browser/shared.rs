//! A shared index on a server.

use llavacode_core::{
    Error,
    workspace::{Reading, SharedSource},
};

use super::files::{bytes, fetch};

/// The folder of a shared index: an address that ends in `/`.
pub(super) struct SharedUrl(pub(super) String);

impl SharedSource for SharedUrl {
    fn read<'a>(&'a self, file: &'a str, most: u64) -> Reading<'a> {
        let refused = |reason| Error::SharedIndex { reason };
        Box::pin(async move {
            let url = format!("{}{file}", self.0);
            let blob = fetch(&url).await.map_err(refused)?;
            if blob.size() > most as f64 {
                return Err(refused(format!("{url} is too long")));
            }
            bytes(&blob).await.map_err(|words| refused(format!("{url} cannot be read ({words})")))
        })
    }
}
