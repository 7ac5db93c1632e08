//! Tasks in places that are strict or unusual.
#![deny(
    warnings,
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    rust_2018_idioms
)]
#![forbid(unsafe_code)]

/// Names that the generated code must not take for its own.
#[expect(dead_code, reason = "they are there to be mistaken for others")]
mod shadow {
    pub(crate) enum Result {}
    pub(crate) enum Option {}
    pub(crate) struct Ok;
    pub(crate) struct Err;
    pub(crate) struct Box;
    pub(crate) struct Send;

    #[towpath::task]
    pub(crate) async fn payload(f: u8) -> std::result::Result<u8, std::io::Error> {
        std::result::Result::Ok(f)
    }

    #[towpath::task(named_only)]
    pub(crate) fn encoder(map: u8, seq: u8) -> towpath::Outcome<u8> {
        towpath::Outcome::Done(map + seq)
    }

    #[towpath::task]
    fn formatter(r#fn: u8) -> u8 {
        r#fn
    }
}

macro_rules! double {
    ($name:ident, $text:literal, $retries:expr, $number:ty) => {
        /// Doubles a number.
        #[towpath::task(name = $text, max_retries = $retries)]
        pub fn $name(x: $number) -> Result<$number, towpath::TaskError> {
            Ok(x * 2)
        }
    };
}
double!(double, "double it", 3, u32);

/// Is replaced by something better.
#[deprecated]
#[must_use]
#[towpath::task]
pub fn old(x: u8) -> u8 {
    #![expect(unused_mut, reason = "an attribute inside of the body is kept")]
    let mut x = x;
    x
}

#[towpath::task]
#[cfg(any())]
fn left_out(x: NoSuchType) {}

#[towpath::task]
#[expect(unused_variables, reason = "an attribute of the function is kept")]
fn careless(x: u8) {}

fn main() {
    struct Local;
    impl towpath::Policy for Local {}

    #[towpath::task(policy = Local)]
    fn local(x: u8) -> u8 {
        if x > 0 {
            return 1;
        }
        x
    }

    assert_eq!(local.call(5), 1);
    assert_eq!(double.call(4).unwrap(), 8);
    assert_eq!(double.draft((4,)).unwrap().task.as_str(), "double it");
    careless.call(1);
    drop(shadow::payload.call(1));
    let draft = shadow::encoder.draft((1, 2)).unwrap();
    assert_eq!(&draft.payload.bytes()[..], br#"{"map":1,"seq":2}"#);
    fn copies<T: Copy + std::fmt::Debug + towpath::Task>(_: T) {}
    copies(double);
}
