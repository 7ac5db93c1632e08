//! Migrations by hand: what each store says, and what a Postgres user does who may not change the schema.

use crate::program::Program;

#[test]
fn stores_without_migrations_say_what_they_do_instead() {
    let program = Program::new();
    let file = program.home().join("jobs.db");
    let sqlite = format!("sqlite:{}", file.display());
    for (url, expected) in [
        (sqlite.as_str(), "SQLite migrates the file"),
        ("memory:", "no schema"),
    ] {
        for command in ["status", "up"] {
            let told = program.ok(&["--store", url, "migrate", command]);
            assert!(told.contains(expected), "{url} {command}: {told}");
        }
        let told = program.ok(&["--store", url, "--json", "migrate", "status"]);
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["migrations"], false);
    }
    assert!(!file.exists(), "asking makes no store");
}

#[cfg(feature = "postgres")]
mod postgres {
    use super::Program;

    /// A namespace that nobody has used, on the server of the test command.
    fn fresh() -> Option<String> {
        let server = towpath_servers::given(towpath_servers::POSTGRES_URL)?;
        let now = std::time::SystemTime::now();
        let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
        let process = std::process::id();
        Some(format!(
            "{server}?namespace=cli-{process}-{}",
            since.as_nanos()
        ))
    }

    #[test]
    fn a_schema_is_asked_about_printed_and_made_by_hand() {
        let Some(url) = fresh() else { return };
        let program = Program::new();
        let name = url.rsplit_once('=').unwrap().1;
        let run = |args: &[&str]| {
            let mut all = vec!["--store", url.as_str()];
            all.extend(args);
            let run = program.run(&all);
            (run.code, run.stdout.replace(name, "NAME"))
        };
        let missing = "NAME: not there yet; `migrate up` makes it\n";
        assert_eq!(run(&["migrate", "status"]), (1, missing.to_owned()));
        let (code, sql) = run(&["migrate", "up", "--print-sql"]);
        assert_eq!(code, 0);
        assert!(sql.starts_with("BEGIN;") && sql.contains("CREATE TABLE message"));
        assert_eq!(run(&["migrate", "status"]).0, 1, "printing changes nothing");

        let off = format!("{url}&migrate=off");
        let refused = program.run(&["--store", &off, "queues"]);
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.stderr.contains("towpath migrate up"), "{refused:?}");

        let (code, made) = run(&["migrate", "up"]);
        assert_eq!(
            (code, made.starts_with("NAME: made, at migration ")),
            (0, true)
        );
        let (code, again) = run(&["migrate", "up"]);
        assert_eq!((code, again.starts_with("NAME: was up to date")), (0, true));
        assert_eq!(run(&["migrate", "up", "--print-sql"]), (0, String::new()));
        let (code, told) = run(&["--json", "migrate", "status"]);
        let told: serde_json::Value = serde_json::from_str(&told).unwrap();
        assert_eq!((code, &told["current"]), (0, &true.into()));
        assert_eq!(told["applied"], told["known"]);
        let used = program.run(&["--store", &off, "submit", "add"]);
        assert_eq!(used.code, 0, "{used:?}");
    }
}
