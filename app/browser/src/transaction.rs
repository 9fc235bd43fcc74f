//! How a transaction of IndexedDB ended.

use idb::TransactionResult;

/// Whether everything was written. A full disk looks like this: every request succeeds, and the
/// commit does not. To `idb` that is no error; and where a request was still waiting, the error is
/// about the request and not the reason.
///
/// # Errors
/// What to say, if nothing was written.
pub fn committed(ended: Result<TransactionResult, idb::Error>) -> Result<(), String> {
    match ended {
        Ok(TransactionResult::Committed) => Ok(()),
        Ok(TransactionResult::Aborted) | Err(_) => {
            Err("the browser took the write back; its storage or the disk may be full".into())
        }
    }
}
