#![expect(unused_variables, reason = "the errors alone are of interest")]

use towpath::task;

struct Mail;

impl Mail {
    #[task]
    fn send(&self) {}
}

#[task]
fn generic<T>(x: T) {}

#[task]
const unsafe extern "C" fn qualified() {}

#[task]
fn patterns((a, b): (u8, u8), _: u8) {}

#[task]
fn borrowed(x: &str, y: Vec<&'static str>, z: std::borrow::Cow<'_, str>) {}

#[task]
fn unnamed(x: impl Into<String>) -> impl Iterator<Item = u8> {
    [].into_iter()
}

#[task]
fn borrows_output() -> Result<&'static str, String> {
    Ok("")
}

#[task]
fn hides_output() -> std::fmt::Result {
    Ok(())
}

#[task]
fn itself(itself: u8) {}

#[task]
fn args() {}

#[task]
fn too_many(
    a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8, i: u8,
    j: u8, k: u8, l: u8, m: u8, n: u8, o: u8, p: u8, q: u8,
) {}

fn main() {}
