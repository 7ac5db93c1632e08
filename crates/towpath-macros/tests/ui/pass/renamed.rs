//! The library under another name, and behind a module of another crate.
extern crate towpath as canal;

mod prelude {
    pub use ::towpath as inner;
}

#[canal::task(crate = canal, backoff = constant("1m"))]
async fn add(a: i64, b: i64) -> Result<i64, canal::TaskError> {
    Ok(a + b)
}

#[prelude::inner::task(crate = crate::prelude::inner, named_only, max_retries = "unlimited")]
fn shout(text: String) -> String {
    text.to_uppercase()
}

fn main() {
    use canal::Task as _;

    let codecs = canal::Codecs::default();
    let payload = shout.draft(("a".to_owned(),)).unwrap().payload;
    assert_eq!(shout.decode(&payload, &codecs).unwrap(), ("a".to_owned(),));
    let payload = add.draft((1, 2)).unwrap().payload;
    assert_eq!(add.decode(&payload, &codecs).unwrap(), (1, 2));
}
