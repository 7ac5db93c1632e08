use towpath::task;

#[task]
struct Thing;

#[task]
mod inner {}

fn main() {}
