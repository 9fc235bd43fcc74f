//! Whole-system tests.

pub mod parity;
