//! The statements in `sql/`, without the comments at their heads: the cache of prepared statements
//! hashes the text at every use.

/// The statement in `sql/NAME.sql`.
macro_rules! statement {
    ($name:literal) => {
        const {
            $crate::sqlite::statement::body(include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/src/sqlite/sql/",
                $name,
                ".sql"
            )))
        }
    };
}
pub(super) use statement;

/// What follows the comment lines at the head of a text.
pub(super) const fn body(sql: &'static str) -> &'static str {
    let bytes = sql.as_bytes();
    let mut at = 0;
    while at < bytes.len() && bytes[at] == b'-' {
        while at < bytes.len() && bytes[at] != b'\n' {
            at += 1;
        }
        at += 1;
    }
    sql.split_at(at).1
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, StatementStatus, params_from_iter};

    use super::*;
    use crate::sqlite::connection::keep_plans;
    use crate::sqlite::schema;

    #[test]
    fn a_statement_begins_after_its_comments() {
        assert_eq!(body("-- a\n-- b\nSELECT 1 -- c\n"), "SELECT 1 -- c\n");
        assert_eq!(body("SELECT 1"), "SELECT 1");
        assert!(statement!("hold").starts_with("INSERT OR IGNORE INTO inflight"));
    }

    /// A plan that depends on a bound value is made anew whenever that value is bound: ten times the cost
    /// of running the statement.
    #[test]
    fn no_statement_is_planned_anew_at_each_use() {
        let db = Connection::open_in_memory().unwrap();
        keep_plans(&db).unwrap();
        schema::make(&db);
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/sqlite/sql");
        let mut planned_anew = Vec::new();
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let sql = std::fs::read_to_string(&path).unwrap();
            let mut statement = db.prepare(&sql).unwrap();
            for value in 0..3i64 {
                // Whether the values fit the columns does not matter here.
                let values = vec![value; statement.parameter_count()];
                let mut rows = statement.query(params_from_iter(values)).unwrap();
                while let Ok(Some(_)) = rows.next() {}
            }
            if statement.get_status(StatementStatus::RePrepare) > 0 {
                planned_anew.push(path.file_name().unwrap().to_owned());
            }
        }
        assert!(planned_anew.is_empty(), "{planned_anew:?}");
    }
}
