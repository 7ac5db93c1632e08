//! The statements, each in a file of its own under `sql/`; the functions they call are under `functions/`.

/// The text of `sql/NAME.sql`.
macro_rules! statement {
    ($name:literal) => {
        include_str!(concat!("sql/", $name, ".sql"))
    };
}

pub(super) use statement;
