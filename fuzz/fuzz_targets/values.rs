//! Values of the command line: read or refused with a word of help, and never shown so that a terminal
//! acts on them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use towpath_commands::__fuzz as door;
use towpath_core::{MessageId, Payload, codec};

fuzz_target!(|text: &str| {
    helped(door::duration(text));
    times(text);
    ids(text);
    if let Some((name, value)) = helped(door::pair(text)) {
        assert_eq!(format!("{name}={value}"), text);
    }
    if let Some(address) = helped(door::metrics_address(text)) {
        assert_eq!(door::metrics_address(&address.to_string()), Ok(address));
    }
    if text != "-"
        && let Some(payload) = helped(door::json(text))
    {
        arguments(&payload);
    }
    shown(text);
    let words: Vec<String> = text.split('\n').map(str::to_owned).collect();
    helped(door::command_line(&words));
});

fn helped<T>(outcome: Result<T, String>) -> Option<T> {
    match outcome {
        Ok(value) => Some(value),
        Err(help) => {
            assert!(!help.is_empty());
            None
        }
    }
}

fn times(text: &str) {
    if let Some(time) = helped(door::instant(text))
        && let Ok(millis) = u64::try_from(time.as_millis())
    {
        assert_eq!(door::instant(&millis.to_string()), Ok(time));
        let _ = time.to_system_time();
    }
}

fn ids(text: &str) {
    if let Some((id, shown)) = helped(door::id(text)) {
        assert_eq!(door::id(&id.to_string()).map(|(id, _)| id), Ok(id));
        assert!(shown.contains(&id.to_string()));
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
    }
    if let Ok(id) = text.parse::<MessageId>() {
        assert_eq!(id.to_string().parse::<MessageId>().ok(), Some(id));
    }
}

fn arguments(payload: &Payload) {
    assert!(codec::check_nesting(payload).is_ok());
    let value: serde_json::Result<serde_json::Value> = serde_json::from_slice(payload.bytes());
    match value {
        Ok(value) => assert!(value.is_array() || value.is_object()),
        Err(error) => {
            let told = error.to_string();
            panic!("accepted arguments that no task can read: {told}");
        }
    }
}

fn shown(text: &str) {
    let acts = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}');
    let [line, lines, json, _word] = door::shown(text);
    assert!(!line.chars().any(acts), "{line:?}");
    assert!(!lines.chars().any(|c| acts(c) && !matches!(c, '\n' | '\t')));
    assert!(!json.chars().any(acts));
    let as_json = serde_json::Value::from(text).to_string();
    let [_, _, json, _] = door::shown(&as_json);
    assert_eq!(
        serde_json::from_str::<String>(&json).ok().as_deref(),
        Some(text)
    );
}
