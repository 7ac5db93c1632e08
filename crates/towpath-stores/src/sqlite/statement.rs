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
    use super::*;

    #[test]
    fn a_statement_begins_after_its_comments() {
        assert_eq!(body("-- a\n-- b\nSELECT 1 -- c\n"), "SELECT 1 -- c\n");
        assert_eq!(body("SELECT 1"), "SELECT 1");
        assert!(statement!("hold").starts_with("INSERT OR IGNORE INTO inflight"));
    }
}
