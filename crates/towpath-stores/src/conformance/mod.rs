//! The suite that every store passes: one named case per promise of the contract.
