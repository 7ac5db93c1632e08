#![expect(unused_variables, reason = "the errors alone are of interest")]

use towpath::task;

#[task(
    retries = 3,
    queue = "a",
    queue = "b",
    timeout = "0s",
    result_ttl = "soon",
    mechanism = "process",
    priority = -1,
    max_retries = "many",
    codec = "",
    named_only = true,
    crate = "towpath",
    policy
)]
fn all_wrong(x: u8) {}

#[task(name = "a\nb", backoff = constant())]
fn names() {}

#[task(backoff = linear("1s", floor = "2m", ceiling = "1m"))]
fn crossed() {}

#[task(backoff = exponential(4, "10s", celling = "1m"))]
fn misspelt() {}

#[task(timeout = 30)]
fn without_unit() {}

#[task(queue: "a")]
fn no_equals_sign() {}

#[task("a")]
fn no_option() {}

fn main() {
    // Wrong options leave the task usable, so that nothing more is reported here.
    all_wrong.call(1);
}
