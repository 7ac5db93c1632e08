//! The protocols on files, with the world ending at every operation.

mod checkout;
mod contention;
mod deferred;
mod event_lock;
mod full_disk;
mod journal;
mod layers;
mod listing;
mod network;
mod removed;
mod riders;
mod stage;
