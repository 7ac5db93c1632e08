//! What a task writes as its payload, and what it reads.

use std::fmt::Debug;

use towpath::{Codecs, Payload, Task, task};

#[task]
fn add(a: i64, b: i64) -> i64 {
    a + b
}

#[task]
fn ping() {}

#[task]
fn total(numbers: Vec<u8>) -> u8 {
    numbers.iter().sum()
}

#[task(name = "label it")]
fn label(text: String, r#type: Option<u8>) -> String {
    format!("{text} {type:?}")
}

#[task(named_only)]
fn resize(width: u32, height: u32) -> u32 {
    width * height
}

#[task(named_only)]
fn tick() {}

#[task(codec = "msgpack")]
fn packed(a: u8, b: String) -> String {
    b.repeat(usize::from(a))
}

/// Reads `json` as the arguments of `task`; an error is known by a part of its text.
#[track_caller]
fn check<T: Task<Args: Debug + PartialEq>>(
    task: &T,
    json: &str,
    expected: Result<T::Args, &'static str>,
) {
    let read = task.decode(&Payload::json(json.to_owned()), &Codecs::default());
    match (read, expected) {
        (Ok(args), Ok(expected)) => assert_eq!(args, expected, "{json}"),
        (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{json}: {error}"),
        (read, expected) => panic!("{json}: {read:?} instead of {expected:?}"),
    }
}

#[test]
fn arguments_are_read_from_an_array_or_an_object() {
    check(&add, "[1, 2]", Ok((1, 2)));
    check(&add, r#"{"b": 2, "a": 1}"#, Ok((1, 2)));
    check(&ping, "[]", Ok(()));
    check(&ping, "{}", Ok(()));
    check(&total, "[[1, 2]]", Ok((vec![1, 2],)));
    check(&total, r#"{"numbers": []}"#, Ok((vec![],)));
}

#[test]
fn missing_options_are_none_when_named() {
    let text = || "x".to_owned();
    check(&label, r#"{"text": "x"}"#, Ok((text(), None)));
    check(&label, r#"{"text": "x", "type": 3}"#, Ok((text(), Some(3))));
    check(&label, r#"["x", null]"#, Ok((text(), None)));
    let shape = "expected an array or object of `text`, `type` for task \"label it\"";
    check(&label, r#"["x"]"#, Err(shape));
}

#[test]
fn payloads_that_do_not_fit_are_refused_with_the_names_of_the_arguments() {
    let shape = "expected an array or object of `a`, `b` for task \"add\"";
    check(&add, "[1]", Err(shape));
    check(&add, "[1, 2, 3]", Err(shape));
    check(&add, "null", Err(shape));
    check(
        &add,
        r#"["x", 2]"#,
        Err("invalid type: string \"x\", expected i64"),
    );
    check(&add, r#"{"a": 1}"#, Err("missing field `b`"));
    check(
        &add,
        r#"{"a": 1, "b": 2, "c": 3}"#,
        Err("unknown field `c`, expected `a` or `b`"),
    );
    check(
        &add,
        r#"{"a": 1, "a": 1, "b": 2}"#,
        Err("duplicate field `a`"),
    );
    check(
        &ping,
        "[1]",
        Err("expected an empty array or object for task \"ping\""),
    );
    check(
        &ping,
        "null",
        Err("expected an empty array or object for task \"ping\""),
    );
    check(&total, "[1, 2]", Err("invalid type: integer `1`"));
}

#[test]
fn named_only_refuses_arrays_and_says_so() {
    check(&resize, r#"{"height": 2, "width": 1}"#, Ok((1, 2)));
    let refusal = "invalid type: sequence, expected an object of `width`, `height` for task \
                   \"resize\", which takes arguments by name only";
    check(&resize, "[1, 2]", Err(refusal));
    check(&tick, "{}", Ok(()));
    check(
        &tick,
        "[]",
        Err("expected an empty object for task \"tick\""),
    );
}

#[test]
fn arguments_are_written_as_an_array_or_as_an_object_when_named_only() {
    let check = |draft: towpath::Result<towpath::Draft>, json: &str| {
        assert_eq!(draft.unwrap().payload, Payload::json(json.to_owned()));
    };
    check(add.draft((1, 2)), "[1,2]");
    check(ping.draft(()), "[]");
    check(total.draft((vec![1],)), "[[1]]");
    check(label.draft(("x".to_owned(), None)), r#"["x",null]"#);
    check(resize.draft((1, 2)), r#"{"width":1,"height":2}"#);
    check(tick.draft(()), "{}");
}

#[test]
fn another_codec_carries_the_same_shapes() {
    let codecs = Codecs::default();
    let draft = packed.draft((2, "ab".to_owned())).unwrap();
    assert_eq!(draft.payload.codec().as_str(), "msgpack");
    assert_eq!(
        packed.decode(&draft.payload, &codecs).unwrap(),
        (2, "ab".to_owned())
    );

    let named = std::collections::BTreeMap::from([("height", 2), ("width", 1)]);
    let named = codecs
        .encode(&towpath::codec::MESSAGE_PACK, &named)
        .unwrap();
    assert_eq!(resize.decode(&named, &codecs).unwrap(), (1, 2));

    let long = codecs
        .encode(&towpath::codec::MESSAGE_PACK, &[1, 2, 3])
        .unwrap();
    assert!(
        add.decode(&long, &codecs)
            .unwrap_err()
            .to_string()
            .contains("`a`, `b`")
    );
    assert!(
        resize
            .decode(&long, &codecs)
            .unwrap_err()
            .to_string()
            .contains("by name only")
    );
}
