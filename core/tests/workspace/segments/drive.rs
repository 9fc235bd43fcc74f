//! Files in memory, on a drive that ends, fills up or cannot be read.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    rc::Rc,
};

use llavacode_core::{
    Error, Result,
    workspace::{SegmentFiles, SegmentWriter},
};

/// What goes wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    #[default]
    None,
    /// So many bytes, and changes of another kind, each as one, and then nothing is done any more: the
    /// tab is gone.
    EndsAfter(usize),
    /// No more than so many bytes are taken.
    FullAfter(usize),
    /// Nothing can be read.
    Unreadable,
}

/// A drive. Clones are the same one, as seen by other tabs.
#[derive(Clone, Default)]
pub(crate) struct Drive(Rc<Inner>);

#[derive(Default)]
struct Inner {
    files: RefCell<BTreeMap<String, Vec<u8>>>,
    taken: RefCell<BTreeSet<String>>,
    fault: Cell<Fault>,
    /// What was done, as [`Fault::EndsAfter`] counts.
    done: Cell<usize>,
    reads: Cell<usize>,
}

/// A file that is taken.
pub(crate) struct Taken {
    drive: Drive,
    name: String,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.drive.0.taken.borrow_mut().remove(&self.name);
    }
}

fn refused(reason: &str) -> Error {
    Error::Storage { reason: reason.into() }
}

impl Drive {
    pub(crate) fn set(&self, fault: Fault) {
        self.0.fault.set(fault);
    }

    /// Bytes written and other changes made.
    pub(crate) fn done(&self) -> usize {
        self.0.done.get()
    }

    /// How often somebody read.
    pub(crate) fn reads(&self) -> usize {
        self.0.reads.get()
    }

    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        self.0.files.borrow().clone()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.0.files.borrow().values().map(Vec::len).sum()
    }

    /// Lets something happen to the files behind everybody's back.
    pub(crate) fn change(&self, change: impl FnOnce(&mut BTreeMap<String, Vec<u8>>)) {
        change(&mut self.0.files.borrow_mut());
    }

    /// Whether there is still a drive.
    fn is_there(&self) -> Result<()> {
        match self.0.fault.get() {
            Fault::EndsAfter(0) => Err(refused("it has ended")),
            _ => Ok(()),
        }
    }

    /// How many of so many bytes or changes are done before the end.
    fn spend(&self, wanted: usize, is_write: bool) -> usize {
        let done = match self.0.fault.get() {
            Fault::EndsAfter(left) => {
                let done = wanted.min(left);
                self.set(Fault::EndsAfter(left - done));
                done
            }
            Fault::FullAfter(left) if is_write => {
                let done = wanted.min(left);
                self.set(Fault::FullAfter(left - done));
                done
            }
            _ => wanted,
        };
        self.0.done.set(self.0.done.get() + done);
        done
    }

    fn change_once(&self) -> Result<()> {
        match self.spend(1, false) {
            0 => Err(refused("it has ended")),
            _ => Ok(()),
        }
    }

    fn slice(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>> {
        self.is_there()?;
        if self.0.fault.get() == Fault::Unreadable {
            return Err(refused("it cannot be read"));
        }
        self.0.reads.set(self.0.reads.get() + 1);
        let files = self.0.files.borrow();
        let file = files.get(name).map_or(&[][..], |file| file);
        let end = file.len().min(range.end as usize);
        Ok(file.get(range.start as usize..end).unwrap_or_default().to_vec())
    }
}

impl SegmentFiles for Drive {
    type Writer = Taken;

    async fn list(&self) -> Result<Vec<(String, u64)>> {
        self.is_there()?;
        Ok(self.0.files.borrow().iter().map(|(name, file)| (name.clone(), file.len() as u64)).collect())
    }

    async fn read(&self, name: &str, range: Range<u64>) -> Result<Vec<u8>> {
        self.slice(name, range)
    }

    async fn open(&self, name: &str) -> Result<Option<Taken>> {
        self.is_there()?;
        if !self.0.files.borrow().contains_key(name) {
            self.change_once()?;
            self.0.files.borrow_mut().insert(name.into(), Vec::new());
        }
        let is_free = self.0.taken.borrow_mut().insert(name.into());
        Ok(is_free.then(|| Taken { drive: self.clone(), name: name.into() }))
    }

    async fn remove(&self, name: &str) -> Result<bool> {
        self.is_there()?;
        if self.0.taken.borrow().contains(name) {
            return Ok(false);
        }
        self.change_once()?;
        self.0.files.borrow_mut().remove(name);
        Ok(true)
    }
}

impl SegmentWriter for Taken {
    fn len(&self) -> Result<u64> {
        self.drive.is_there()?;
        Ok(self.drive.0.files.borrow().get(&self.name).map_or(0, Vec::len) as u64)
    }

    fn read(&self, range: Range<u64>) -> Result<Vec<u8>> {
        self.drive.slice(&self.name, range)
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> Result<()> {
        let done = self.drive.spend(bytes.len(), true);
        let mut files = self.drive.0.files.borrow_mut();
        let file = files.entry(self.name.clone()).or_default();
        let end = at as usize + done;
        file.resize(file.len().max(end), 0);
        file[at as usize..end].copy_from_slice(&bytes[..done]);
        if done < bytes.len() { Err(refused("there is no room")) } else { Ok(()) }
    }

    fn truncate(&mut self, length: u64) -> Result<()> {
        self.drive.change_once()?;
        self.drive.0.files.borrow_mut().entry(self.name.clone()).or_default().truncate(length as usize);
        Ok(())
    }
}
