//! The protocols on files, with the world ending at every operation.

mod event_lock;
mod layers;
