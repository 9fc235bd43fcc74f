//! Micro-batches over threads.

use std::thread;

use super::{ops::add, real::Real};

/// Something a worker thread keeps from one micro-batch to the next: its gradients, and whatever
/// scratch memory it needs.
#[derive(Debug, Default)]
pub struct Worker<T, S> {
    /// Of the parameters; zeroed before each step.
    pub gradients: Vec<T>,
    /// The worker's own.
    pub scratch: S,
}

/// Worker threads for data-parallel steps.
#[derive(Debug)]
pub struct Workers<T, S> {
    workers: Vec<Worker<T, S>>,
}

impl<T: Real, S: Default + Send> Workers<T, S> {
    /// `count` threads, at least one.
    pub fn new(count: usize) -> Self {
        let worker = |_| Worker { gradients: Vec::new(), scratch: S::default() };
        Self { workers: (0..count.max(1)).map(worker).collect() }
    }

    /// As many as the machine has processors.
    pub fn of_machine() -> Self {
        Self::new(thread::available_parallelism().map_or(1, usize::from))
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.workers.len()
    }

    /// Works every item off and sums what the work gives, and the gradients.
    ///
    /// Items are dealt by number, heaviest first if they are sorted so, and sums are made in the
    /// workers' order: with the same number of threads a step gives the same bits.
    pub fn run<I: Sync, const N: usize>(
        &mut self,
        items: &[I],
        parameters: usize,
        work: impl Fn(&I, &mut Worker<T, S>) -> [f64; N] + Sync,
    ) -> ([f64; N], &[T]) {
        let count = self.workers.len();
        let mut sums = [0.0; N];
        thread::scope(|scope| {
            let work = &work;
            let handles: Vec<_> = self
                .workers
                .iter_mut()
                .enumerate()
                .map(|(number, worker)| {
                    scope.spawn(move || {
                        worker.gradients.clear();
                        worker.gradients.resize(parameters, T::zero());
                        let mut sums = [0.0; N];
                        for item in items.iter().skip(number).step_by(count) {
                            let part = work(item, worker);
                            sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
                        }
                        sums
                    })
                })
                .collect();
            for handle in handles {
                match handle.join() {
                    Ok(part) => sums.iter_mut().zip(part).for_each(|(sum, part)| *sum += part),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        });
        let (first, rest) = self.workers.split_at_mut(1);
        rest.iter().for_each(|worker| add(&mut first[0].gradients, &worker.gradients));
        (sums, &self.workers[0].gradients)
    }
}
