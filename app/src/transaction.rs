//! How a transaction of IndexedDB ended.

use idb::TransactionResult;

/// A transaction that was taken back is no error to `idb`. It is what a full disk looks like: every
/// request succeeds, and the commit does not.
///
/// # Errors
/// What to say, if nothing was written.
pub fn committed(result: TransactionResult) -> Result<(), String> {
    match result {
        TransactionResult::Committed => Ok(()),
        TransactionResult::Aborted => {
            Err("the browser took the write back; its storage or the disk may be full".into())
        }
    }
}
