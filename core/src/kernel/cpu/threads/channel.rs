//! What lies between the engine's thread and a helper's.

use std::{
    hint,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// One end of a buffer that two threads share, of which only the one whose turn it is reads and writes.
/// The engine's end has the first turn.
pub trait Channel {
    /// Bytes that the buffer holds.
    fn capacity(&self) -> usize;

    /// Puts bytes into the buffer.
    ///
    /// # Panics
    /// If they end beyond [`capacity`](Self::capacity).
    fn write(&self, at: usize, bytes: &[u8]);

    /// Gets bytes out of the buffer.
    ///
    /// # Panics
    /// If they end beyond [`capacity`](Self::capacity).
    fn read(&self, at: usize, bytes: &mut [u8]);

    /// Gives the turn to the other end.
    fn hand_over(&self);

    /// Waits for this end's turn, without end if no patience is given.
    ///
    /// # Returns
    /// Whether the turn came.
    fn wait(&self, patience: Option<Duration>) -> bool;
}

/// How often a turn is looked for before the thread sleeps: some tens of microseconds, the pause between
/// two products.
const SPINS: usize = 10_000;

/// An end of a channel between two threads of one process. Once it is dropped, nobody waits at the other.
pub struct End {
    shared: Arc<Shared>,
    side: usize,
}

struct Shared {
    bytes: Mutex<Vec<u8>>,
    turn: AtomicUsize,
    is_gone: AtomicBool,
    sleepers: Mutex<()>,
    changed: Condvar,
}

/// The engine's end and the helper's of a channel that holds so many bytes.
pub fn channel(capacity: usize) -> (End, End) {
    let shared = Arc::new(Shared {
        bytes: Mutex::new(vec![0; capacity]),
        turn: AtomicUsize::new(0),
        is_gone: AtomicBool::new(false),
        sleepers: Mutex::new(()),
        changed: Condvar::new(),
    });
    (End { shared: shared.clone(), side: 0 }, End { shared, side: 1 })
}

impl End {
    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.shared.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_turn(&self) -> bool {
        self.shared.turn.load(Ordering::Acquire) == self.side
    }

    /// Whether there is something to wait for.
    fn is_others(&self) -> bool {
        !self.has_turn() && !self.shared.is_gone.load(Ordering::Acquire)
    }

    /// Changes what a sleeper looks at; under the lock, so that it does not fall between its look and its
    /// sleep.
    fn change(&self, change: impl FnOnce(&Shared)) {
        let _sleepers = self.shared.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
        change(&self.shared);
        self.shared.changed.notify_all();
    }
}

impl Channel for End {
    fn capacity(&self) -> usize {
        self.bytes().len()
    }

    fn write(&self, at: usize, bytes: &[u8]) {
        self.bytes()[at..][..bytes.len()].copy_from_slice(bytes);
    }

    fn read(&self, at: usize, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.bytes()[at..][..bytes.len()]);
    }

    fn hand_over(&self) {
        self.change(|shared| shared.turn.store(1 - self.side, Ordering::Release));
    }

    fn wait(&self, patience: Option<Duration>) -> bool {
        for _ in 0..SPINS {
            if !self.is_others() {
                return self.has_turn();
            }
            hint::spin_loop();
        }
        let sleepers = self.shared.sleepers.lock().unwrap_or_else(PoisonError::into_inner);
        match patience {
            None => drop(self.shared.changed.wait_while(sleepers, |()| self.is_others())),
            Some(patience) => {
                drop(self.shared.changed.wait_timeout_while(sleepers, patience, |()| self.is_others()));
            }
        }
        self.has_turn()
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.change(|shared| shared.is_gone.store(true, Ordering::Release));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_end_writes_in_its_turn_the_other_reads_in_its_own() {
        let (ours, theirs) = channel(8);
        let echo = std::thread::spawn(move || {
            for _ in 0..1000 {
                assert!(theirs.wait(None));
                let mut number = [0];
                theirs.read(3, &mut number);
                theirs.write(3, &[number[0].wrapping_mul(3)]);
                theirs.hand_over();
            }
        });
        for number in (0..1000).map(|n| n as u8) {
            ours.write(3, &[number]);
            ours.hand_over();
            assert!(ours.wait(Some(Duration::from_secs(60))));
            let mut answer = [0];
            ours.read(3, &mut answer);
            assert_eq!(answer[0], number.wrapping_mul(3));
        }
        echo.join().unwrap();
    }

    #[test]
    fn patience_ends() {
        let (ours, _theirs) = channel(1);
        ours.hand_over();
        assert!(!ours.wait(Some(Duration::from_millis(5))));
    }

    #[test]
    fn a_wait_for_an_end_that_is_gone_is_over() {
        let (ours, theirs) = channel(1);
        let waiting = std::thread::spawn(move || theirs.wait(None));
        std::thread::sleep(Duration::from_millis(5));
        drop(ours);
        assert!(!waiting.join().unwrap());
    }
}
