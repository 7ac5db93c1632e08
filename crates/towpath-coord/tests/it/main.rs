//! The protocols on files, with the world ending at every operation.

mod layers;
