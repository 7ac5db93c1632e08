//! A wrapper around any store that fails or crashes at the n-th call.
