//! What may go wrong inside the store, and the one function that says it in our words.

use tokio_postgres::error::SqlState;
use towpath_core::{Error, Kind, StoreUrl};

/// Why a verb, or one item of it, did not happen.
#[derive(Debug)]
pub(super) enum Fault {
    /// We refuse it; nothing was written for it.
    Refused(Error),
    /// The server, or the way to it, failed. Whatever the transaction wrote is rolled back; whether a
    /// commit that was under way took place is not known.
    Engine(tokio_postgres::Error),
}

pub(super) type Fallible<T> = Result<T, Fault>;

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Fault::Refused(error)
    }
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        Fault::Engine(error)
    }
}

impl Fault {
    /// The refusal of a value in the database that no release of ours writes there.
    pub(super) fn damaged(column: &str, what: impl std::fmt::Display) -> Self {
        Fault::Refused(Error::new(
            Kind::Storage,
            format!("the record is damaged: column {column} {what}"),
        ))
    }

    /// The same refusal, said about `what`; a failure of the engine stays as it is.
    pub(super) fn about(self, what: impl std::fmt::Display) -> Self {
        match self {
            Fault::Refused(error) => Fault::Refused(error.about(what)),
            engine @ Fault::Engine(_) => engine,
        }
    }

    /// Whether the server has undone the transaction for the sake of another, so that the same again
    /// will most likely succeed.
    pub(super) fn lost_a_race(&self) -> bool {
        let Fault::Engine(error) = self else {
            return false;
        };
        error.code().is_some_and(|code| {
            *code == SqlState::T_R_DEADLOCK_DETECTED || *code == SqlState::T_R_SERIALIZATION_FAILURE
        })
    }

    pub(super) fn into_error(self, url: &StoreUrl) -> Error {
        match self {
            Fault::Refused(error) => error,
            Fault::Engine(error) => translate(error, url),
        }
    }
}

/// Says what the server said, or that it said nothing: which store, what is wrong, and the way out.
pub(super) fn translate(error: tokio_postgres::Error, url: &StoreUrl) -> Error {
    let Some(said) = error.as_db_error() else {
        return unreachable(error, url);
    };
    let (kind, text) = meaning(said.code().code(), said.message());
    Error::new(kind, format!("{url}: {text}")).with_source(error)
}

/// What a state that the server answers means to us.
fn meaning(code: &str, message: &str) -> (Kind, String) {
    use Kind::{Incompatible, Invalid, Storage, Unavailable};
    match code {
        "40001" | "40P01" => (
            Unavailable,
            format!("verbs are in each other's way ({message}); try again"),
        ),
        "57014" => (
            Unavailable,
            format!("the server took too long ({message}); try again"),
        ),
        "55P03" => (
            Unavailable,
            format!("a lock was not to be had in time ({message}); try again"),
        ),
        "25006" => (
            Unavailable,
            "the server only reads, it may be a standby; write the URL of the one that writes"
                .to_owned(),
        ),
        "25P03" | "57P01" | "57P02" | "57P03" | "57P05" => (
            Unavailable,
            format!("the server is going down or coming up ({message}); try again"),
        ),
        "53100" => (
            Storage,
            format!("the server's disk is full ({message}); free some space"),
        ),
        "42501" => (
            Storage,
            format!("the user may not do that ({message}); grant it, or name another user"),
        ),
        "3D000" => (
            Storage,
            format!("{message}; create the database, or name another"),
        ),
        "42P01" | "42883" | "42703" | "3F000" | "0A000" => (
            Incompatible,
            format!(
                "the schema is not the one this program knows ({message}); was it dropped or migrated meanwhile? start the program again"
            ),
        ),
        "54000" | "22P05" | "22021" => {
            (Invalid, format!("the server cannot keep that ({message})"))
        }
        "28000" if message.contains("no encryption") => (
            Storage,
            format!(
                "the server does not let the user in without encryption ({message}); write \
                 ?sslmode=verify-full"
            ),
        ),
        _ => match &code[..2.min(code.len())] {
            "08" | "53" | "58" => (
                Unavailable,
                format!("the server is not able to serve now ({message}); try again"),
            ),
            "28" => (
                Storage,
                format!("the server does not let the user in ({message}); check user and password"),
            ),
            "XX" => (
                Storage,
                format!("the database is corrupt ({message}); restore a backup"),
            ),
            _ => (Storage, format!("{message} (SQLSTATE {code})")),
        },
    }
}

/// What is said when the server said nothing.
fn unreachable(error: tokio_postgres::Error, url: &StoreUrl) -> Error {
    let cause = std::error::Error::source(&error)
        .map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
    #[cfg(feature = "tls")]
    if let Some(refused) = crate::tls::refusal(&error) {
        return Error::new(Kind::Storage, format!("{url}: {refused}")).with_source(error);
    }
    if cause.contains("not support TLS") {
        let text = format!(
            "{url}: the server takes no encrypted connections; turn `ssl` on there, or write sslmode=disable \
             if the way to it is safe"
        );
        return Error::new(Kind::Storage, text).with_source(error);
    }
    if cause.contains("password") || cause.contains("authentication") {
        let text =
            format!("{url}: the server wants to know the user ({cause}); write USER:PASSWORD@HOST");
        return Error::new(Kind::Storage, text).with_source(error);
    }
    if error.is_closed() || std::error::Error::source(&error).is_some_and(is_of_the_way) {
        let text = format!("{url}: the server is out of reach ({cause}); try again");
        return Error::new(Kind::Unavailable, text).with_source(error);
    }
    Error::new(Kind::Storage, format!("{url}: {cause}")).with_source(error)
}

/// Whether the way to the server failed, rather than what was sent over it.
fn is_of_the_way(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.is::<std::io::Error>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_server_answers_says_whether_to_try_again() {
        let check = |code: &str, kind: Kind, transient: bool, expected: &str| {
            let (found, text) = meaning(code, "so it said");
            assert_eq!(found, kind, "{code}");
            assert_eq!(Error::new(found, "").is_transient(), transient, "{code}");
            assert!(text.contains(expected), "{code}: {text}");
        };
        check("40P01", Kind::Unavailable, true, "try again");
        check("40001", Kind::Unavailable, true, "try again");
        check("57P01", Kind::Unavailable, true, "going down");
        check("57P03", Kind::Unavailable, true, "coming up");
        check("57014", Kind::Unavailable, true, "too long");
        check("53300", Kind::Unavailable, true, "so it said");
        check("53100", Kind::Storage, false, "free some space");
        check("08006", Kind::Unavailable, true, "try again");
        check("25006", Kind::Unavailable, true, "standby");
        check("42501", Kind::Storage, false, "grant it");
        check("28P01", Kind::Storage, false, "check user and password");
        check("3D000", Kind::Storage, false, "create the database");
        check(
            "42P01",
            Kind::Incompatible,
            false,
            "start the program again",
        );
        check("42883", Kind::Incompatible, false, "migrated");
        check("XX001", Kind::Storage, false, "restore a backup");
        check("22003", Kind::Storage, false, "SQLSTATE 22003");
    }
}
