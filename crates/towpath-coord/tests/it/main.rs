//! The protocols on files, with the world ending at every operation.

mod checkout;
mod deferred;
mod event_lock;
mod journal;
mod layers;
mod listing;
mod riders;
mod stage;
