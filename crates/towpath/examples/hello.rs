//! A whole program: a task, a worker, a message, its result.

use std::time::Duration;
use towpath::{App, task};

/// Adds two numbers.
#[task(queue = "sums", max_retries = 5)]
async fn add(a: i64, b: i64) -> i64 {
    a + b
}

#[tokio::main]
async fn main() -> towpath::Result<()> {
    let store = std::env::var("TOWPATH_STORE").unwrap_or("sqlite:hello.db".to_owned());
    let app = App::new(towpath::open(&store)?).task(add);
    let worker = app.worker().start().await?;
    let sum = add.submit(&app.broker(), (1, 2)).await?;
    println!("1 + 2 = {}", sum.result(Duration::from_secs(10)).await?);
    worker.stop().await?;
    Ok(())
}
