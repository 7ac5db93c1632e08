//! A store's file whose rows somebody has edited: any value in any column, also those that STRICT would
//! refuse. Every verb answers, and none is kept from a sound message by a damaged one.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::{Corpus, fuzz_target};
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params};
use towpath_fuzz::{Place, Template, block_on, every_verb};

#[derive(Debug, Arbitrary)]
struct Input {
    edits: Vec<Edit>,
    choice: u64,
}

#[derive(Debug, Arbitrary)]
enum Edit {
    /// One value of one row.
    Set { column: u8, row: u8, value: Value },
    /// One value of every row of a table.
    SetAll { column: u8, value: Value },
    /// A row is gone.
    Delete { table: u8, row: u8 },
    /// A row is there twice, but for one value.
    Copy { column: u8, row: u8, value: Value },
}

#[derive(Debug, Clone, Arbitrary)]
enum Value {
    Null,
    Small(i8),
    Int(i64),
    /// The ends of what a column can hold, and what overflows when something is added to it.
    Edge(u8),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
    /// A text that is no UTF-8.
    Broken,
    /// The value of the same column in another row.
    Of(u8),
}

/// Stands as a text where it is written.
const BROKEN: &[u8] = b"\xff broken \xfe";
/// The new value, in the statements below.
const NEW: &str = "CASE WHEN ?1 = x'ff2062726f6b656e20fe' THEN CAST(?1 AS TEXT) ELSE ?1 END";

const COLUMNS: &[(&str, &[&str])] = &[
    (
        "message",
        &[
            "n",
            "id",
            "line",
            "scheduled",
            "priority",
            "due",
            "submitted",
            "claims",
            "retries",
            "losses",
            "strays",
            "snoozes",
            "updated",
            "expires",
            "start_after",
            "start_at",
            "codec",
            "payload",
            "options",
            "previous_codec",
            "previous",
        ],
    ),
    ("namespace", &["ns", "name"]),
    ("line", &["l", "ns", "queue", "task", "live"]),
    ("pause", &["ns", "queue"]),
    ("blob", &["b", "data"]),
    ("ready", &["line", "priority", "due", "n"]),
    ("delayed", &["due", "n", "line"]),
    (
        "inflight",
        &["n", "id", "worker", "claims", "claimed", "started"],
    ),
    (
        "outcome",
        &[
            "n",
            "state",
            "claims",
            "finished",
            "kept",
            "worker",
            "started",
            "reason",
            "result_kind",
            "result_size",
            "result_codec",
            "result",
        ],
    ),
    ("finished", &["ns", "dead", "kept", "n", "state"]),
    ("expiring", &["expires", "n"]),
    (
        "attempt",
        &[
            "n",
            "k",
            "claims",
            "worker",
            "started",
            "ended",
            "outcome",
            "error_name",
            "error_text",
            "error_trace",
        ],
    ),
    (
        "scratch",
        &["n", "details", "details_set", "saved_codec", "saved"],
    ),
    (
        "worker",
        &["w", "id", "ns", "name", "listens", "tasks", "joined"],
    ),
    ("lease", &["w", "boot", "ends", "dead"]),
];

fuzz_target!(|input: Input| -> Corpus {
    if input.edits.len() > 8 {
        return Corpus::Reject;
    }
    let template = Template::get();
    let place = Place::new();
    let path = place.path("jobs.db");
    std::fs::write(&path, &template.lax).expect("the file can be written");
    let db = Connection::open(&path).expect("our own file");
    for edit in &input.edits {
        // What even this file cannot hold (a second row of one key, say) is no damage.
        let _ = apply(&db, edit);
    }
    drop(db);
    block_on(async {
        let store = place.store();
        every_verb(&store, &template.ids, input.choice).await;
        place.close(store).await;
    });
    Corpus::Keep
});

/// The table and column that a number stands for.
fn place_of(column: u8) -> (&'static str, &'static str) {
    let all = COLUMNS
        .iter()
        .flat_map(|(table, columns)| columns.iter().map(move |column| (*table, *column)));
    let count = COLUMNS
        .iter()
        .map(|(_, columns)| columns.len())
        .sum::<usize>();
    let mut all = all.skip(usize::from(column) % count);
    all.next().expect("within their number")
}

fn apply(db: &Connection, edit: &Edit) -> rusqlite::Result<usize> {
    match edit {
        Edit::Set { column, row, value } => {
            let (table, column) = place_of(*column);
            let value = sql(db, table, column, value)?;
            let (key, keys) = row_of(db, table, *row)?;
            let text = format!("UPDATE {table} SET {column} = {NEW} WHERE {key}");
            db.execute(
                &text,
                rusqlite::params_from_iter([vec![value], keys].concat()),
            )
        }
        Edit::SetAll { column, value } => {
            let (table, column) = place_of(*column);
            let value = sql(db, table, column, value)?;
            db.execute(
                &format!("UPDATE OR IGNORE {table} SET {column} = {NEW}"),
                params![value],
            )
        }
        Edit::Delete { table, row } => {
            let (table, _) = COLUMNS[usize::from(*table) % COLUMNS.len()];
            let (key, keys) = row_of(db, table, *row)?;
            let keys = [vec![Sql::Null], keys].concat();
            let text = format!("DELETE FROM {table} WHERE ?1 IS NULL AND {key}");
            db.execute(&text, rusqlite::params_from_iter(keys))
        }
        Edit::Copy { column, row, value } => {
            let (table, column) = place_of(*column);
            let value = sql(db, table, column, value)?;
            let (key, keys) = row_of(db, table, *row)?;
            let columns = columns_of(table);
            let read = columns
                .iter()
                .map(|name| if *name == column { NEW } else { name });
            let (names, read) = (columns.join(", "), read.collect::<Vec<_>>().join(", "));
            let text =
                format!("INSERT INTO {table} ({names}) SELECT {read} FROM {table} WHERE {key}");
            db.execute(
                &text,
                rusqlite::params_from_iter([vec![value], keys].concat()),
            )
        }
    }
}

fn columns_of(table: &str) -> &'static [&'static str] {
    let found = COLUMNS.iter().find(|(name, _)| *name == table);
    found.map_or(&[], |(_, columns)| columns)
}

/// What selects one row of a table, from the second parameter on.
fn row_of(db: &Connection, table: &str, row: u8) -> rusqlite::Result<(String, Vec<Sql>)> {
    let columns = columns_of(table);
    let count: i64 = db.query_row(&format!("SELECT COUNT(*) FROM {table}"), [], |row| {
        row.get(0)
    })?;
    let at = i64::from(row) % count.max(1);
    let keys = db.query_row(
        &format!(
            "SELECT {} FROM {table} LIMIT 1 OFFSET {at}",
            columns.join(", ")
        ),
        [],
        |row| {
            (0..columns.len())
                .map(|at| row.get(at))
                .collect::<rusqlite::Result<Vec<Sql>>>()
        },
    )?;
    let key = columns
        .iter()
        .enumerate()
        .map(|(at, name)| format!("{name} IS ?{}", at + 2));
    Ok((key.collect::<Vec<_>>().join(" AND "), keys))
}

fn sql(db: &Connection, table: &str, column: &str, value: &Value) -> rusqlite::Result<Sql> {
    const EDGES: [i64; 16] = [
        i64::MIN,
        i64::MAX,
        i64::MIN + 1,
        i64::MAX - 1,
        u32::MAX as i64,
        u32::MAX as i64 + 1,
        i32::MAX as i64,
        i64::MAX / 4,
        i64::MAX / 4 + 1,
        i64::MIN / 4,
        1_700_000_000_000,
        1_700_000_000_001,
        4,
        5,
        -1,
        0,
    ];
    Ok(match value {
        Value::Null => Sql::Null,
        Value::Small(value) => Sql::Integer((*value).into()),
        Value::Int(value) => Sql::Integer(*value),
        Value::Edge(at) => Sql::Integer(EDGES[usize::from(*at) % EDGES.len()]),
        Value::Real(value) => Sql::Real(*value),
        Value::Text(value) => Sql::Text(value.clone()),
        Value::Blob(value) => Sql::Blob(value.clone()),
        Value::Broken => Sql::Blob(BROKEN.to_vec()),
        Value::Of(row) => {
            let text = format!("SELECT {column} FROM {table} LIMIT 1 OFFSET {row}");
            db.query_row(&text, [], |row| row.get(0))?
        }
    })
}
