//! State files of deferred functions: journals whose lines may be torn, spoilt, copied, or written by somebody else.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use towpath_coord::deferred::{Config, Manager, Registry, list};
use towpath_coord::journal;
use towpath_coord::{Network, Place, World};

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    /// Lines as they should be, for the fuzzer cannot guess sums.
    lines: Vec<Line<'a>>,
    tail: &'a [u8],
}

#[derive(Debug, Arbitrary)]
enum Line<'a> {
    /// With its length and sum.
    Whole(&'a str),
    /// As it is.
    Raw(&'a [u8]),
    /// What the state file of a manager holds.
    Known {
        seq: u8,
        what: Known,
        of: u8,
        attempt: u8,
    },
}

#[derive(Debug, Arbitrary)]
enum Known {
    Defer,
    Start,
    Done,
    Failed,
    Dead,
    Left,
    Drained,
}

impl Line<'_> {
    fn write(&self, bytes: &mut Vec<u8>) {
        let json = match self {
            Line::Whole(json) => (*json).to_owned(),
            Line::Raw(raw) => return bytes.extend_from_slice(raw),
            Line::Known {
                seq,
                what,
                of,
                attempt,
            } => {
                let entry = match what {
                    Known::Defer => serde_json::json!({"defer": {"name": "mark", "args": null}}),
                    Known::Start => serde_json::json!({"start": {"of": of, "attempt": attempt}}),
                    Known::Done => serde_json::json!({"done": {"of": of}}),
                    Known::Failed => {
                        serde_json::json!({"failed": {"of": of, "attempt": attempt, "error": "x"}})
                    }
                    Known::Dead => serde_json::json!({"dead": {"of": of}}),
                    Known::Left => serde_json::json!("left"),
                    Known::Drained => serde_json::json!("drained"),
                };
                serde_json::json!({"seq": seq, "entry": entry}).to_string()
            }
        };
        let sum = crc32c::crc32c(json.as_bytes());
        bytes.extend_from_slice(format!("{:06x} {sum:08x} {json}\n", json.len()).as_bytes());
    }
}

fuzz_target!(|input: Input<'_>| {
    let mut bytes = Vec::new();
    input.lines.iter().for_each(|line| line.write(&mut bytes));
    bytes.extend_from_slice(input.tail);
    let reading = journal::read(&bytes);
    assert!(reading.end <= bytes.len() as u64);
    assert!(
        reading
            .records
            .windows(2)
            .all(|pair| pair[0].seq < pair[1].seq)
    );

    let directory = tempfile::tempdir_in("/dev/shm").expect("room in memory");
    let place = Place::open(World::new(), directory.path(), Network::Refuse).expect("a directory");
    let mut registry = Registry::new();
    let mark = |_: &_, (): ()| Ok::<(), String>(());
    registry.add("mark", mark).expect("a fit name");
    let manager = Manager::open(&place, registry.clone(), Config::default()).expect("a directory");
    let path = directory.path().join("deferred/func0000000000000000");
    std::fs::write(&path, &bytes).expect("room in memory");
    list(&place, &registry).expect("whatever is in it");
    let first = manager.run_orphans().expect("no scope");
    // What is settled is settled: nothing is run twice.
    let second = manager.run_orphans().expect("no scope");
    assert_eq!((second.done, second.failed), (0, 0), "after {first:?}");
    manager.close().expect("nothing was registered");
});
