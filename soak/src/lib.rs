//! Loads, kills and freezes real Towpath processes, and finds out what became of every message.
//!
//! Producers and workers are processes of their own over one store. The **observer** starts, kills,
//! freezes and replaces them. Each process writes what it has seen into a **journal** of its own, and
//! at the end the **verifier** puts the journals, the deaths and the store side by side: what was
//! accepted, what ran, how often, and why more than once.
//!
//! Read first: [`observer`] for the course of a soak, [`verify::History`] for the life of one message
//! as the journals tell it, [`report`] for what has to be zero.
#![cfg(unix)]

pub mod chaos;
pub mod ground;
pub mod journal;
pub mod mix;
pub mod observer;
pub mod options;
pub mod process;
pub mod producer;
pub mod progress;
pub mod quantiles;
pub mod report;
pub mod role;
pub mod storage;
pub mod verify;
pub mod worker;
