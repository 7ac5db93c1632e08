//! What is special about the store on Postgres: how it is opened, what the end of its server does to it, its
//! own lease clock, records that somebody has edited, a crowd of verbs that are in each other's way, large
//! batches, and what is kept beside the queue.

mod batches;
mod beside;
mod clock;
mod crowd;
mod damage;
mod migrations;
mod opening;
mod outage;
mod place;
mod settings;
mod submits;
#[cfg(feature = "yardstick")]
mod yardstick;
